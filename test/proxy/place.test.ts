import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { OwnPlace } from '../../src/proxy/place.ts'
import { eventually } from '../helper/eventually.ts'

const node = (zone: string | undefined, name = 'node-1'): Node => ({
  kind: 'Node',
  metadata: {
    name,
    namespace: '',
    labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone },
  },
  addresses: [],
  podCIDRs: [],
  taints: [],
  deleting: false,
})

t.test('the zone follows the label of the own Node, and each change is told once', async t => {
  const store = new Store()
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  store.set('Node', node('a'))
  const place = new OwnPlace({ nodeName: 'node-1', zone: 'a' })
  const zones: (string | undefined)[] = []
  place.onMove(() => zones.push(place.zone))
  void place.follow(store, stop.signal)
  store.set('Node', node('z', 'node-2'))
  store.set('Node', node('b'))
  await eventually('the label changed', () => zones.length === 1)
  store.set('Node', { ...node('b'), deleting: true })
  store.set('Node', node(undefined))
  await eventually('the label gone', () => zones.length === 2)
  store.set('Node', node(''))
  store.set('Node', node('c'))
  await eventually('a label again', () => zones.length === 3)
  store.delete('Node', 'node-1')
  store.set('Node', node('d', 'node-2'))
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(zones, ['b', undefined, 'c'])
  t.equal(place.zone, 'c')
})
