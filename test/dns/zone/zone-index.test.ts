import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type ClusterObject, keyOf } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { lookup } from '#dns/zone/lookup.ts'
import { ZoneIndex } from '#dns/zone/zone-index.ts'
import type { IpAddress } from '#net/ip.ts'
import { indexOf, zoneOptions } from '../../helper/sample-cluster.ts'
import {
  added,
  changed,
  endpoint,
  namespace,
  pod,
  service,
  slice,
} from '../../helper/zone-cluster.ts'

const kinds = ['Service', 'EndpointSlice', 'Namespace', 'Pod'] as const
const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1'] as const

const someHosts = fc.uniqueArray(fc.constantFrom(...hosts), { maxLength: 3 })
const someService = fc
  .record({
    name: fc.constantFrom('a', 'b'),
    ips: fc.oneof(fc.constant(['None']), someHosts),
    externalName: fc.constantFrom('', '', 'a.testns.svc.cluster.local', 'example.org'),
    ports: fc.subarray(['x/TCP/1', 'y/UDP/2']),
  })
  .map(service)
const someEndpoint = fc
  .record({
    address: fc.constantFrom(...hosts),
    ready: fc.boolean(),
    hostname: fc.constantFrom(undefined, 'h'),
  })
  .map(({ address, ready, hostname }) => endpoint(address, { ready, hostname }))
const someSlice = fc
  .record({
    of: fc.constantFrom('a', 'b'),
    name: fc.constantFrom('s1', 's2', 's3'),
    endpoints: fc.array(someEndpoint, { maxLength: 3 }),
    ports: fc.subarray(['x/TCP/1', 'y/UDP/2']),
  })
  .map(slice)
const somePod = fc
  .record({
    name: fc.constantFrom('p', 'q'),
    ips: someHosts,
    phase: fc.constantFrom('Running', 'Failed'),
  })
  .map(pod)
const someObject = fc.oneof(someService, someSlice, somePod, fc.constant(namespace('testns')))
const someStep = fc.oneof(
  { weight: 5, arbitrary: someObject.map(object => ({ step: 'set' as const, object })) },
  { weight: 2, arbitrary: someObject.map(object => ({ step: 'delete' as const, object })) },
  { weight: 2, arbitrary: fc.constant({ step: 'take' as const, object: undefined }) },
)

/** Every name there could be, in every type that differs. */
function everyAnswer(index: ZoneIndex): unknown {
  const options = zoneOptions({ pods: 'verified', localAddresses: [] })
  const below = ['testns.svc']
  for (const name of ['a.testns.svc', 'b.testns.svc']) {
    below.push(name, `_x._tcp.${name}`, `h.${name}`, `10-0-0-1.${name}`, `fd00--1.${name}`)
  }
  below.push(...hosts.map(host => `${host.replaceAll(/[.:]/g, '-')}.testns.pod`))
  const forward = below.flatMap(path =>
    ['A', 'AAAA', 'SRV', 'CNAME', 'TXT'].map(type => {
      const name = `${path}.cluster.local.`
      return lookup(index, options, { name, type, zone: 'cluster.local.' })
    }),
  )
  const reverse = [1, 2, 3].map(last => {
    const name = `${last}.0.0.10.in-addr.arpa.`
    return lookup(index, options, { name, type: 'PTR', zone: 'in-addr.arpa.' })
  })
  return [forward, reverse]
}

t.test('after any changes in any batches answers are those of a fresh index', async () => {
  fc.assert(
    fc.property(fc.array(someStep, { maxLength: 40 }), steps => {
      const store = new Store()
      const index = new ZoneIndex({ podNames: false })
      using feed = store.feed(kinds)
      const take = () => feed.take()?.changes.forEach(change => index.apply(change, 0))
      for (const { step, object } of steps) {
        if (step === 'set') store.set(object.kind, object)
        else if (step === 'delete') store.delete(object.kind, keyOf(object))
        else take()
      }
      take()
      const objects = kinds.flatMap((kind): ClusterObject[] => [...store.list(kind)])
      assert.deepEqual(everyAnswer(index), everyAnswer(indexOf(objects)))
    }),
    { numRuns: 300 },
  )
})

t.test('the serial is the second of the last visible change', async t => {
  const index = new ZoneIndex({ podNames: false })
  t.equal(index.serial, 0, 'none before any')
  const before = service({ name: 'a', ips: ['10.0.0.1'] })
  const ready = slice({ of: 'a', endpoints: [endpoint('172.0.0.1')] })
  const notReady = slice({ of: 'a', endpoints: [endpoint('172.0.0.1', { ready: false })] })
  const moved = slice({ of: 'a', endpoints: [endpoint('172.0.0.1', { nodeName: 'node2' })] })
  const labelled = { ...before, metadata: { ...before.metadata, labels: { a: 'b' } } }
  const renamedPort = service({ name: 'a', ips: ['10.0.0.1'], ports: ['x/TCP/1'] })
  for (const [fact, atMs, change, serial] of [
    ['a new Service', 1000, added(before), 1],
    ['labels', 2000, changed(before, labelled), 1],
    ['a port', 3000, changed(labelled, renamedPort), 3],
    ['a namespace', 4000, changed(namespace('x'), namespace('x', { a: 'b' })), 3],
    ['readiness', 5500, changed(ready, notReady), 5],
    ['a node name', 6000, changed(ready, moved), 5],
    ['a Pod', 7000, changed(pod({ name: 'p', ips: ['172.0.0.1'] })), 5],
    ['an endpoint gone', 8000, changed(ready), 8],
  ] as const) {
    index.apply(change, atMs)
    t.equal(index.serial, serial, fact)
  }
})

t.test('a change of one slice leaves the other slices of its Service as they are', async t => {
  const slices = Array.from({ length: 50 }, (_, at) =>
    slice({
      of: 'big',
      name: `big-${at}`,
      endpoints: Array.from({ length: 100 }, (_, host) => endpoint(`10.1.${at}.${host}`)),
    }),
  )
  const index = indexOf([namespace('testns'), service({ name: 'big', ips: ['None'] }), ...slices])
  const before = index.service('testns/big').slices
  const [first] = slices
  if (first === undefined) throw new Error('no slice')
  index.apply(changed(first, { ...first, endpoints: first.endpoints.slice(1) }), 0)
  const after = index.service('testns/big').slices
  t.equal(after.filter(node => before.includes(node)).length, 49)
  t.equal(index.slicesAt(first.endpoints[0]?.addresses[0] as never).length, 0)
})

t.test(
  'a change whose former object is only equal to the one that was put in takes that one out',
  async t => {
    const index = new ZoneIndex({ podNames: false })
    const make = () => pod({ name: 'p', ips: ['10.0.0.1'], phase: 'Running' })
    const key = keyOf(make())
    index.apply({ kind: 'Pod', key, before: undefined, after: make() }, 0)
    index.apply({ kind: 'Pod', key, before: make(), after: undefined }, 0)
    t.strictSame(index.podsAt('10.0.0.1' as IpAddress), [])
  },
)
