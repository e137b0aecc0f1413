import t from 'tap'
import { eventually } from '../helper/eventually.ts'
import type { TestNamespace } from '../helper/namespace.ts'
import { external, numbered, outcomesOn, settings, slices } from '../helper/numbered-services.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])
const outcomes = outcomesOn(net)
const clients = [client.namespace, net.outside, net.node]

/** A proxy that has programmed Service 5, with affinity, and the slices of these pods. */
async function start(
  pods: readonly TestPod[],
  affinityTimeoutSeconds = 600,
): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(net.node, settings)
  proxy.set(numbered(5, { affinityTimeoutSeconds }), ...slices(5, pods))
  proxy.sync()
  await proxy.programmed()
  return proxy
}

/** The endpoints that a client was sent to, by each address of the Service. */
async function endpointsOf(from: TestNamespace, family: 4 | 6): Promise<string> {
  const names = new Set<string>()
  for (const [index, to] of (['clusterIP', ...external] as const).entries()) {
    // Each protocol is a port of its own, with a memory of its own.
    const way = { number: 5, family, protocol: index % 2 === 0 ? 'tcp' : 'udp' } as const
    for (const answer of await outcomes(from, to, way, 8)) {
      names.add(`${way.protocol} ${answer.split(' ')[0]}`)
    }
  }
  return [...names].sort((a, b) => (a < b ? -1 : 1)).join(', ')
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: a client stays with its endpoint`, async t => {
    let proxy = await start([podA, podB])
    const stayed = () => Promise.all(clients.map(namespace => endpointsOf(namespace, family)))
    const first = await stayed()
    for (const names of first) t.match(names, /^tcp [ab], udp [ab]$/)

    await proxy.stop('SIGKILL')
    proxy = await start([podA, podB])
    t.strictSame(await stayed(), first, 'over a restart')

    proxy.set(...slices(5, [podB]))
    await proxy.programmed()
    // New sources: an old UDP flow would go on to where it went.
    await net.node.exec('conntrack', ['-F'])
    t.strictSame(new Set(await stayed()), new Set(['tcp b, udp b']), 'only while it is there')

    proxy.set(...slices(5, [podA, podB]))
    await proxy.programmed()
    t.strictSame(new Set(await stayed()), new Set(['tcp b, udp b']), 'a new one moves nobody')
    await proxy.stop('SIGTERM')
  })
}

t.test('nft shows the whole ruleset as text, with clients remembered', async t => {
  const proxy = await start([podA, podB])
  for (const family of [4, 6] as const) await endpointsOf(client.namespace, family)
  // nft 1.0.6 dies of some declarations only when it lists them.
  const { stdout } = await net.node.exec('nft', ['list', 'ruleset'])
  for (const family of ['ip', 'ip6']) t.match(stdout, `table ${family} nodeplane {`)
  t.match(stdout, /map affinity-tcp \{[^}]*expires/)
  await proxy.stop('SIGTERM')
})

const MS_IN: Readonly<Record<string, number>> = { m: 60_000, s: 1000, ms: 1 }

/** `1s532ms`, in milliseconds. */
const milliseconds = (text: string): number =>
  text
    .matchAll(/(\d+)(ms|[ms])/g)
    .reduce((sum, [, number, unit = '']) => sum + Number(number) * (MS_IN[unit] ?? 0), 0)

for (const family of [4, 6] as const) {
  t.test(
    `IPv${family}: a client is forgotten after its timeout, which each connection renews`,
    async t => {
      // Nobody else is to be remembered.
      await cleanup(net.node)
      const proxy = await start([podA, podB], 2)
      const connect = async () => {
        const way = { number: 5, family, protocol: 'tcp' } as const
        return (await outcomes(client.namespace, 'clusterIP', way, 1)).join()
      }
      /** What the kernel remembers of TCP clients: for how long, and how long still. */
      const remembered = async () => {
        const table = [family === 4 ? 'ip' : 'ip6', 'nodeplane', 'affinity-tcp']
        const { stdout } = await net.node.exec('nft', ['list', 'map', ...table])
        const found = /timeout (\S+) expires (\S+)/.exec(stdout)
        if (found === null) return undefined
        const [, timeout = '', left = ''] = found
        return { timeout, leftMs: milliseconds(left) }
      }
      await connect()
      t.equal((await remembered())?.timeout, '2s')
      await eventually('a renewed entry', async () => {
        const start = performance.now()
        const before = await remembered()
        if (before === undefined) return void (await connect())
        await connect()
        const after = await remembered()
        // Else it may have expired, and be a new one.
        const isSame = performance.now() - start < before.leftMs
        return isSame && after !== undefined && after.leftMs > before.leftMs
      })
      const names = new Set<string>()
      await eventually(
        'both endpoints',
        async () => {
          await eventually(
            'nobody to be remembered',
            async () => (await remembered()) === undefined,
          )
          names.add((await connect()).charAt(0))
          return names.size === 2
        },
        60_000,
      )
      t.strictSame(names, new Set(['a', 'b']), 'whoever is forgotten is balanced anew')
      await proxy.stop('SIGTERM')
    },
  )
}
