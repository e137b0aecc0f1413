import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { waitForNode } from '../../../src/proxy/config/own-node.ts'

const nodeWith = (...addresses: readonly string[]): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels: {} },
  addresses: addresses.map(address => ({ type: 'InternalIP', address })),
  podCIDRs: [],
  taints: [],
  deleting: false,
})

const never = new AbortController().signal
const LONG = { name: 'node-a', limitMs: 60_000 }

t.test('a Node with an address is taken from the list at once', async t => {
  const store = new Store()
  const waiting = waitForNode(store, LONG, never)
  store.replaceAll('Node', [nodeWith('192.0.2.1')])
  t.match(await waiting, { addresses: [{ address: '192.0.2.1' }] })
})

t.test('a Node that comes after the list is waited for, and so is its address', async t => {
  const store = new Store()
  const waiting = waitForNode(store, LONG, never)
  store.replaceAll('Node', [])
  store.set('Node', nodeWith())
  setImmediate(() => store.set('Node', nodeWith('192.0.2.1')))
  t.match(await waiting, { addresses: [{ address: '192.0.2.1' }] })
})

t.test('with a limit of 0 the list decides', async t => {
  const store = new Store()
  const waiting = waitForNode(store, { name: 'node-a', limitMs: 0 }, never)
  store.replaceAll('Node', [])
  t.equal(await waiting, undefined)
})

t.test('after the limit what is there is taken', async t => {
  const store = new Store()
  store.replaceAll('Node', [nodeWith()])
  t.strictSame(await waitForNode(store, { name: 'node-a', limitMs: 1 }, never), nodeWith())
})

t.test('being stopped is passed on', async t => {
  const stop = new AbortController()
  const waiting = waitForNode(new Store(), LONG, stop.signal)
  stop.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})
