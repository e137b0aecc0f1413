import { mock } from 'node:test'
import { pino } from 'pino'
import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { IpAddress } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { ConfigError } from '#runtime/error.ts'
import { defaultConfig, type ProxyConfig } from '../../src/proxy/config/schema.ts'
import { prepare } from '../../src/proxy/prepare.ts'

const nodeWith = (podCIDRs: readonly string[]): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels: {} },
  addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
  podCIDRs,
  taints: [],
  deleting: false,
})

/** Prepares for a Node in a list that is complete; waits as for an API server, unless said otherwise. */
function preparing(
  store: Store,
  { nodeWaitMs = 30_000, ...config }: Partial<ProxyConfig> & { nodeWaitMs?: number } = {},
) {
  const said: string[] = []
  const log = pino({}, { write: line => void said.push(String(JSON.parse(line).msg)) })
  const options = {
    config: { ...defaultConfig(), detectLocalMode: 'NodeCIDR' as const, ...config },
    nodeName: 'node-a',
    store,
    nodeWaitMs,
    log,
  }
  const result = prepare(options, new AbortController().signal)
  return { said, prefixes: result.then(({ settings }) => settings.clusterCIDRs.map(formatPrefix)) }
}

const storeWith = (...nodes: readonly Node[]): Store => {
  const store = new Store()
  store.replaceAll('Node', nodes)
  return store
}

t.test('detector NodeCIDR: the podCIDRs of the Node are waited for', async t => {
  const store = storeWith(nodeWith([]))
  const { prefixes } = preparing(store)
  setImmediate(() => store.set('Node', nodeWith(['10.244.7.0/24'])))
  t.strictSame(await prefixes, ['10.244.7.0/24'])
})

const refused = { code: 'ERR_POD_CIDRS', message: /Node node-a has no podCIDRs/ }

t.test('detector NodeCIDR: after five minutes without podCIDRs it is over', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  }
  let isOver = false
  const { prefixes } = preparing(storeWith(nodeWith([])))
  const outcome = t.rejects(prefixes, refused).then(() => {
    isOver = true
  })
  await turns()
  mock.timers.tick(299_999)
  await turns()
  t.equal(isOver, false, 'still waiting')
  mock.timers.tick(1)
  await turns()
  t.equal(isOver, true)
  await outcome
})

t.test('detector NodeCIDR: a directory that lists no podCIDRs is not waited for', async t => {
  for (const store of [storeWith(nodeWith([])), storeWith()]) {
    await t.rejects(preparing(store, { nodeWaitMs: 0 }).prefixes, refused)
  }
})

t.test('other detectors need no podCIDRs', async t => {
  const { prefixes } = preparing(storeWith(nodeWith([])), {
    detectLocalMode: 'ClusterCIDR',
    clusterCIDR: '10.244.0.0/16',
  })
  t.strictSame(await prefixes, ['10.244.0.0/16'])
})

t.test('podCIDRs without one of the primary family are fatal where they decide', async t => {
  const store = () => storeWith(nodeWith(['fd00:244:7::/64']))
  try {
    await preparing(store()).prefixes
    t.fail('was accepted')
  } catch (error) {
    t.ok(error instanceof ConfigError)
    t.match(error, { problems: [{ field: 'spec.podCIDRs', isFatal: true }] })
  }
  const { prefixes, said } = preparing(store(), { detectLocalMode: 'ClusterCIDR' })
  t.strictSame(await prefixes, [])
  t.match(said.join('\n'), /^spec\.podCIDRs: .* has no CIDR of its primary family, IPv4$/m)
})

t.test('without a clusterCIDR there is no detector, which is told', async t => {
  const detectLocalMode = 'ClusterCIDR' as const
  const isTold = async (config: Partial<ProxyConfig>) => {
    const { prefixes, said } = preparing(storeWith(nodeWith([])), { detectLocalMode, ...config })
    await prefixes
    return said.some(line => line.startsWith('clusterCIDR is not set for the primary family'))
  }
  t.equal(await isTold({}), true)
  t.equal(await isTold({ clusterCIDR: '10.244.0.0/16' }), false, 'the primary family has one')
  const detectLocal = { bridgeInterface: 'cbr0', interfaceNamePrefix: '' }
  t.equal(await isTold({ detectLocalMode: 'BridgeInterface', detectLocal }), false)
})

t.test('a Node without an address: loopback, with a warning that names the way out', async t => {
  const podCIDRs = ['10.244.7.0/24']
  const { prefixes, said } = preparing(storeWith({ ...nodeWith(podCIDRs), addresses: [] }), {
    nodeWaitMs: 0,
  })
  t.strictSame(await prefixes, podCIDRs)
  t.match(said.join('\n'), /loopback is taken; see bindAddress$/m)
  const absent = preparing(storeWith(), { nodeWaitMs: 0, detectLocalMode: 'ClusterCIDR' })
  await absent.prefixes
  t.match(absent.said.join('\n'), /no such Node.*\n(.*\n)*.*loopback is taken/)
  const bindAddress = '127.0.0.1' as IpAddress
  const asked = preparing(storeWith(), {
    nodeWaitMs: 0,
    detectLocalMode: 'ClusterCIDR',
    bindAddress,
  })
  await asked.prefixes
  t.notMatch(asked.said.join('\n'), 'loopback', 'somebody wants it so')
  const known = preparing(storeWith(nodeWith(podCIDRs)))
  await known.prefixes
  t.notMatch(known.said.join('\n'), 'loopback')
})
