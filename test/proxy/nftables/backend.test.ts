import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { NftError } from '#linux/nft.ts'
import type { NftTable } from '#linux/nft-listing.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServiceStates } from '../../../src/proxy/backend.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts'
import { endpoint, service, servicePort, slice } from '../builders.ts'
import { FakeKernel } from './fake-kernel.ts'

const table = { family: 4, name: 'np' } as const
const place = { nodeName: 'node-1' }
const noSignal = new AbortController().signal

/** A backend on a fake kernel whose n-th write from now fails when `failAfter` is n. */
function backendOn(kernel: FakeKernel) {
  const faults = { failAfter: Number.POSITIVE_INFINITY }
  const backend = new NftablesBackend({
    table,
    clusterCIDR: undefined,
    masqueradeAll: false,
    nodePortAddresses: [],
    nodeName: place.nodeName,
    list: async () => kernel.list('ip np'),
    writer: {
      apply: async text => {
        if (faults.failAfter-- <= 0) throw new NftError('injected', undefined)
        kernel.apply(text)
      },
      [Symbol.dispose]: () => {},
    },
  })
  return { backend, faults }
}

/** Store → tracker → backend, as the sync runner joins them. */
class Machine {
  readonly store = new Store()
  readonly kernel = new FakeKernel()
  readonly #feed = this.store.feed(['Service', 'EndpointSlice'])
  readonly #tracker = new ChangeTracker(4, place)
  #run = backendOn(this.kernel)
  #full = true

  states(services: Iterable<string> = this.#tracker.services()): ServiceStates {
    return new Map([...services].map(key => [key, this.#tracker.stateOf(key)]))
  }

  async sync(failAfter = Number.POSITIVE_INFINITY): Promise<void> {
    const changed = new Set<string>()
    for (const change of this.#feed.take()?.changes ?? []) {
      for (const key of this.#tracker.apply(change)) changed.add(key)
    }
    this.#run.faults.failAfter = failAfter
    const { backend } = this.#run
    try {
      if (this.#full) await backend.replace(this.states(), noSignal)
      else await backend.update(this.states(changed), noSignal)
      this.#full = false
    } catch (error) {
      if (!(error instanceof NftError)) throw error
      this.#full = true
    }
  }

  restart(): void {
    this.#run = backendOn(this.kernel)
    this.#full = true
  }
}

/** The states as a tracker sees them that never saw anything else. */
function statesOf(store: Store): ServiceStates {
  const tracker = new ChangeTracker(4, place)
  for (const change of store.feed(['Service', 'EndpointSlice']).take()?.changes ?? []) {
    tracker.apply(change)
  }
  return new Map([...tracker.services()].map(key => [key, tracker.stateOf(key)]))
}

/** What a table means, without ids and slots: these are only names. Sorted. */
function meaningOf(listing: NftTable | undefined) {
  const of = (name: string) => listing?.elements.get(name) ?? new Map<string, string>()
  const slots = new Map<string, string[]>()
  for (const protocol of ['tcp', 'udp', 'sctp']) {
    for (const [key, value] of of(`endpoints-${protocol}`)) {
      const [id = '', slot = ''] = key.split(' . ')
      const list = slots.get(id) ?? []
      list[Number(slot)] = `${protocol} ${value}`
      slots.set(id, list)
    }
  }
  const balancing = (id: string): readonly string[] => {
    const verdict = of('lb').get(id) ?? 'no verdict'
    const list = slots.get(id) ?? []
    if (verdict === `goto lb-${list.length}`) return list.toSorted()
    return [verdict, ...list]
  }
  const destinations = (name: string) =>
    [...of(name)].map(([key, id]) => ({ key, to: balancing(id) })).sort(byKey)
  return {
    vips: destinations('vips'),
    nodeports: destinations('nodeports'),
    balanced: [...of('lb').keys()].map(id => balancing(id).join(', ')).sort(),
    slotOwners: [...slots.keys()].filter(id => !of('lb').has(id)),
    sets: ['cluster-ips', 'hairpins', 'masquerade-nodeports'].map(n => [...of(n).keys()].sort()),
  }
}

type Meaning = ReturnType<typeof meaningOf>

/** What the cluster IPs are to lead to, said without the plan: of several claims the first by name. */
function clusterIPsOf(states: ServiceStates): Meaning['vips'] {
  const claims = Array.from(states, ([, ports]) => ports)
    .flat()
    .map(port => {
      const { clusterIP, protocol, internalPolicyLocal, endpoints, service, portName } = port
      const scope = internalPolicyLocal ? 'local' : 'cluster'
      const usable = endpoints[scope].map(
        ({ address, port }) => `${protocol.toLowerCase()} ${address} . ${port}`,
      )
      const empty = endpoints.hasAny ? 'goto ignore' : 'goto refuse'
      return {
        key: `${clusterIP} . ${protocol.toLowerCase()} . ${port.port}`,
        to: usable.length === 0 ? [empty] : usable.toSorted(),
        owner: [service, portName, protocol, scope].join(' '),
      }
    })
  const winners = new Map<string, (typeof claims)[number]>()
  for (const claim of claims) {
    const other = winners.get(claim.key)
    if (other === undefined || claim.owner < other.owner) winners.set(claim.key, claim)
  }
  return [...winners.values()].map(({ key, to }) => ({ key, to })).sort(byKey)
}

const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1)

async function fromScratch(states: ServiceStates): Promise<Meaning> {
  const kernel = new FakeKernel()
  await backendOn(kernel).backend.replace(states, noSignal)
  return meaningOf(kernel.list('ip np'))
}

const names = fc.constantFrom('a', 'b', 'c')
const protocols = fc.constantFrom<Protocol>('TCP', 'UDP')

const someService: fc.Arbitrary<Service> = fc
  .record({
    name: names,
    clusterIP: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'),
    internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
    ports: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('', 'x', 'y'),
        protocol: protocols,
        port: fc.constantFrom(80, 81),
        nodePort: fc.constantFrom(0, 30000, 30001),
      }),
      { maxLength: 3, selector: ({ name, protocol }) => `${name} ${protocol}` },
    ),
  })
  .map(fields => service({ ...fields, ports: fields.ports.map(servicePort) }))

const someEndpoint = fc
  .record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', 'junk'),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    nodeName: fc.constantFrom('node-1', 'node-2', undefined),
  })
  .map(({ address, nodeName, ...conditions }) => endpoint(address, { nodeName, conditions }))

const someSlice: fc.Arbitrary<EndpointSlice> = fc
  .record({
    name: fc.constantFrom('s1', 's2', 's3', 's4'),
    owner: names,
    ports: fc.array(
      fc.record({
        name: fc.constantFrom('', 'x', 'y'),
        protocol: protocols,
        port: fc.constantFrom(8080, 8081, undefined),
      }),
      { maxLength: 3 },
    ),
    endpoints: fc.array(someEndpoint, { maxLength: 4 }),
  })
  .map(({ owner, ...fields }) => slice({ ...fields, labels: { [SERVICE_NAME_LABEL]: owner } }))

type Step = (machine: Machine) => void | Promise<void>
const step: fc.Arbitrary<Step> = fc.oneof(
  someService.map<Step>(object => machine => machine.store.set('Service', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  names.map<Step>(name => machine => machine.store.delete('Service', `default/${name}`)),
  fc
    .constantFrom('s1', 's2', 's3', 's4')
    .map<Step>(name => machine => machine.store.delete('EndpointSlice', `default/${name}`)),
  fc.constant<Step>(machine => machine.sync()),
  fc.constant<Step>(machine => machine.sync()),
  fc.constant<Step>(machine => machine.sync()),
  fc.nat({ max: 2 }).map<Step>(writes => machine => machine.sync(writes)),
  fc.constant<Step>(machine => machine.restart()),
)

t.test('after any events, faults and restarts the kernel is as built from scratch', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
    const machine = new Machine()
    for (const run of steps) await run(machine)
    // The first one may be the repair of an injected fault.
    await machine.sync()
    await machine.sync()
    const states = statesOf(machine.store)
    const meaning = meaningOf(machine.kernel.list('ip np'))
    assert.deepStrictEqual(meaning, await fromScratch(states))
    assert.deepStrictEqual(meaning.vips, clusterIPsOf(states))
  })
  await fc.assert(property, { numRuns: 300 })
})

/** A kernel with `default/web` on these endpoints, and what the next writes are. */
async function running(addresses: readonly string[]) {
  const machine = new Machine()
  machine.store.set('Service', service({ ports: [servicePort({ nodePort: 30080 })] }))
  const setEndpoints = (list: readonly string[]) =>
    machine.store.set('EndpointSlice', slice({ endpoints: list.map(ip => endpoint(ip)) }))
  setEndpoints(addresses)
  await machine.sync()
  machine.kernel.log.length = 0
  return { machine, setEndpoints }
}

t.test('an added endpoint is one element and one verdict, in one transaction', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2'])
  setEndpoints(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  await machine.sync()
  t.strictSame(machine.kernel.log, [
    [
      'add chain ip np lb-3',
      'add rule ip np lb-3 meta l4proto tcp dnat ip to meta priority . numgen random mod 3 map @endpoints-tcp',
      'add rule ip np lb-3 meta l4proto udp dnat ip to meta priority . numgen random mod 3 map @endpoints-udp',
      'add rule ip np lb-3 meta l4proto sctp dnat ip to meta priority . numgen random mod 3 map @endpoints-sctp',
      'delete element ip np lb { 0:1 }',
      'add element ip np lb { 0:1 : goto lb-3 }',
      'add element ip np endpoints-tcp { 0:1 . 2 : 10.0.0.3 . 8080 }',
      'add element ip np hairpins { 10.0.0.3 . 10.0.0.3 }',
      '',
    ].join('\n'),
  ])
})

t.test(
  'a removed endpoint: the last moves into the hole; its slot goes in a later transaction',
  async t => {
    const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    setEndpoints(['10.0.0.2', '10.0.0.3'])
    await machine.sync()
    t.strictSame(machine.kernel.log, [
      [
        'add chain ip np lb-2',
        'add rule ip np lb-2 meta l4proto tcp dnat ip to meta priority . numgen random mod 2 map @endpoints-tcp',
        'add rule ip np lb-2 meta l4proto udp dnat ip to meta priority . numgen random mod 2 map @endpoints-udp',
        'add rule ip np lb-2 meta l4proto sctp dnat ip to meta priority . numgen random mod 2 map @endpoints-sctp',
        'delete element ip np lb { 0:1 }',
        'add element ip np lb { 0:1 : goto lb-2 }',
        'delete element ip np endpoints-tcp { 0:1 . 0 }',
        'add element ip np endpoints-tcp { 0:1 . 0 : 10.0.0.3 . 8080 }',
        'delete element ip np hairpins { 10.0.0.1 . 10.0.0.1 }',
        '',
      ].join('\n'),
      'delete element ip np endpoints-tcp { 0:1 . 2 }\n',
    ])
  },
)

t.test('without endpoints connections are refused, not dropped', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1'])
  setEndpoints([])
  await machine.sync()
  t.equal(machine.kernel.list('ip np')?.elements.get('lb')?.get('0:1'), 'goto refuse')
  t.equal(machine.kernel.list('ip np')?.elements.get('endpoints-tcp')?.size, 0)
})

t.test('internal policy Local with endpoints elsewhere only drops', async t => {
  const machine = new Machine()
  machine.store.set('Service', service({ internalTrafficPolicy: 'Local' }))
  machine.store.set(
    'EndpointSlice',
    slice({ endpoints: [endpoint('10.0.0.1', { nodeName: 'b' })] }),
  )
  await machine.sync()
  t.equal(machine.kernel.list('ip np')?.elements.get('lb')?.get('0:1'), 'goto ignore')
})

t.test('a restart writes nothing when nothing changed', async t => {
  const { machine } = await running(['10.0.0.1', '10.0.0.2'])
  machine.restart()
  await machine.sync()
  t.strictSame(machine.kernel.log, [])
})

t.test('a restart keeps ids and slots, and writes only what changed meanwhile', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  setEndpoints(['10.0.0.3', '10.0.0.4', '10.0.0.2'])
  machine.restart()
  await machine.sync()
  t.strictSame(machine.kernel.log, [
    [
      'delete element ip np endpoints-tcp { 0:1 . 0 }',
      'add element ip np endpoints-tcp { 0:1 . 0 : 10.0.0.4 . 8080 }',
      'delete element ip np hairpins { 10.0.0.1 . 10.0.0.1 }',
      'add element ip np hairpins { 10.0.0.4 . 10.0.0.4 }',
      '',
    ].join('\n'),
  ])
})

t.test('a table whose rules were flushed is made anew', async t => {
  const { machine } = await running(['10.0.0.1'])
  const before = meaningOf(machine.kernel.list('ip np'))
  machine.kernel.flushRules('ip np')
  machine.restart()
  await machine.sync()
  t.ok((machine.kernel.list('ip np')?.chains.get('services') ?? 0) > 0)
  t.strictSame(meaningOf(machine.kernel.list('ip np')), before)
})

t.test('of two Services on one address and port the one whose name sorts first has it', async t => {
  const { machine } = await running(['10.0.0.1'])
  const owner = () =>
    machine.kernel.list('ip np')?.elements.get('vips')?.get('10.96.0.10 . tcp . 80')
  machine.store.set('Service', service({ name: 'another' }))
  await machine.sync()
  t.equal(owner(), '0:2')
  machine.store.delete('Service', 'default/another')
  await machine.sync()
  t.equal(owner(), '0:1')
})
