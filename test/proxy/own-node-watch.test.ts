import { pino } from 'pino'
import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { watchOwnNode } from '../../src/proxy/own-node-watch.ts'
import { eventually } from '../helper/eventually.ts'

const node = (address: string, podCIDRs: readonly string[] = ['10.244.1.0/24']): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels: {} },
  addresses: [{ type: 'InternalIP', address }],
  podCIDRs,
  taints: [],
  deleting: false,
})

function setUp(usesPodCIDRs: boolean) {
  const store = new Store()
  const said: string[] = []
  const log = pino({}, { write: line => void said.push((JSON.parse(line) as { msg: string }).msg) })
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const start = node('192.0.2.1')
  store.set('Node', start)
  const seen: Node[] = []
  const onNode = (node: Node) => seen.push(node)
  const watch = { store, nodeName: 'node-a', node: start, usesPodCIDRs, onNode, log }
  return { store, said, seen, stop, ended: watchOwnNode(watch, stop.signal) }
}

t.test('other addresses and the deletion of the Node are told, and nothing ends', async t => {
  const { store, said, stop, ended } = setUp(false)
  store.set('Node', node('192.0.2.2', ['10.244.9.0/24']))
  await eventually('a line', () => said.length === 1)
  store.delete('Node', 'node-a')
  await eventually('another', () => said.length === 2)
  t.match(said, [/addresses changed/, /deleted/])
  stop.abort()
  await t.resolves(ended)
})

t.test('each state of the Node is handed on, the last one stays when it is deleted', async t => {
  const { store, said, seen } = setUp(false)
  await eventually('the Node', () => seen.length === 1)
  store.set('Node', { ...node('192.0.2.1'), deleting: true })
  await eventually('its end to be near', () => seen.length === 2)
  store.delete('Node', 'node-a')
  store.set('Node', { ...node('192.0.2.9'), metadata: { name: 'b', namespace: '', labels: {} } })
  await eventually('its end', () => said.length === 1)
  t.strictSame(
    seen.map(({ deleting }) => deleting),
    [false, true],
  )
})

t.test('with the detector NodeCIDR other podCIDRs end it', async t => {
  const { store, ended } = setUp(true)
  store.set('Node', node('192.0.2.1', ['10.244.2.0/24']))
  await t.rejects(ended, {
    code: 'ERR_POD_CIDRS_CHANGED',
    message: /10\.244\.1\.0\/24.*10\.244\.2\.0/,
  })
})

t.test('a Node that comes back with the same podCIDRs does not', async t => {
  const { store, said, stop, ended } = setUp(true)
  store.set('Node', node('192.0.2.3'))
  await eventually('a line', () => said.length === 1)
  store.delete('Node', 'node-a')
  await eventually('another', () => said.length === 2)
  store.set('Node', node('192.0.2.1'))
  await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  stop.abort()
  await t.resolves(ended)
})
