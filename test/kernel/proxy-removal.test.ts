import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { Topology } from '../helper/topology.ts'

const FLOOD = new URL('../fixtures/flood.ts', import.meta.url).pathname
/** Two senders, one for each core of a small machine. */
const SOURCES = ['192.168.50.3', '192.168.50.40']
const PACKETS = 400_000
/** Packets of a connection: the first costs most, and entries of connections are deleted under the later ones. */
const EACH = 8

const net = await Topology.create(4)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const ports = [{ name: 'dns', protocol: 'UDP', port: 53 }] as const
const slicesOf = (pods: readonly { ip4: string }[]) =>
  slice({ ports, endpoints: pods.map(({ ip4 }) => endpoint(ip4)) })

/** What comes to the cluster IP, what of it is not translated, and what is refused. */
const COUNTERS = `table ip seen {
  counter came { }
  counter untranslated { }
  counter refused { }
  chain before {
    type filter hook prerouting priority -300
    ip daddr 10.96.0.1 udp dport 53 counter name came
  }
  chain after {
    type filter hook prerouting priority -50
    ip daddr 10.96.0.1 counter name untranslated
  }
  chain answers {
    type filter hook output priority 0
    icmp type destination-unreachable counter name refused
  }
}
`

/** Gets a sender ready; what it gives lets it send, and resolves with packets a second. */
async function startFlood(source: string): Promise<() => Promise<number>> {
  const args = [FLOOD, source, '10.96.0.1', '53', String(PACKETS), String(EACH)]
  const flood = net.outside.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: flood.stdout as Readable })[Symbol.asyncIterator]()
  await lines.next()
  return async () => {
    flood.stdin?.end()
    const { value } = await lines.next()
    return (JSON.parse(String(value)) as { perSecond: number }).perSecond
  }
}

async function counted(name: string): Promise<number> {
  const { stdout } = await net.node.exec('nft', ['list', 'counter', 'ip', 'seen', name])
  return Number(/packets (\d+)/.exec(stdout)?.[1])
}

t.test(
  'endpoints are removed under as many packets as the machine can send: none is lost',
  async t => {
    const proxy = new ProxyProcess(net.node, settings)
    const web = service({
      clusterIP: '10.96.0.1',
      ports: [servicePort({ name: 'dns', protocol: 'UDP', port: 53 })],
    })
    proxy.set(web, slicesOf(net.pods))
    proxy.sync()
    await proxy.programmed()
    await net.node.exec('nft', ['-f', '-'], { input: COUNTERS })
    // Pods say nothing, and entries go soon: the table of connections must not be what limits.
    await net.node.exec('sysctl', ['-qw', 'net.netfilter.nf_conntrack_udp_timeout=1'])
    const mute =
      'table ip mute { chain c { type filter hook prerouting priority -300;\nudp dport 53 drop; }\n}\n'
    for (const pod of net.pods) await pod.namespace.exec('nft', ['-f', '-'], { input: mute })

    const floods = await Promise.all(SOURCES.map(startFlood))
    const done = Promise.all(floods.map(flood => flood()))
    let isDone = false
    void done.then(() => {
      isDone = true
    })
    let removals = 0
    for (let round = 0; !isDone; round++) {
      proxy.set(slicesOf(net.pods.slice(round % 4 === 0 ? 1 : 0, 4 - (round % 3))))
      await proxy.programmed()
      removals++
    }
    const perSecond = (await done).reduce((sum, each) => sum + each, 0)
    t.comment(`${removals} changes, ${perSecond} packets a second`)
    t.ok(removals > 20)
    // The kernel may drop some between the two hosts, before any rule.
    t.ok((await counted('came')) > (SOURCES.length * PACKETS) / 2)
    t.equal(await counted('untranslated'), 0)
    t.equal(await counted('refused'), 0)
    await proxy.stop('SIGTERM')
  },
)
