import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { cleanup, ProxyProcess } from '../helper/proxy-process.ts'
import { Topology } from '../helper/topology.ts'

const VIP = '10.96.0.20'
const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
const [server, client] = net.pods as [(typeof net.pods)[0], (typeof net.pods)[0]]

/** What kube-proxy in mode nftables makes of one Service, in short. */
const KUBE_PROXY = `table ip kube-proxy {
  chain endpoint-EP { meta l4proto tcp dnat to ${server.ip4}:9000; }
  chain service-SVC { numgen random mod 1 vmap { 0 : goto endpoint-EP }; }
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { ${VIP} . tcp . 80 : goto service-SVC }
  }
  set cluster-ips { type ipv4_addr; elements = { ${VIP} }; }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain filter-forward { type filter hook forward priority filter; ip daddr @cluster-ips reject; }
}
table ip6 kube-proxy { }
`
const FOREIGN =
  'table ip firewall { chain input { type filter hook input priority 0; accept; }; }\n'

const nft = async (text: string) => {
  await net.node.exec('sh', ['-c', `nft -f - <<'EOF'\n${text}EOF`])
}
const tables = async () =>
  (await net.node.exec('nft', ['list', 'tables'])).stdout.trim().split('\n').sort()

/** A connection to the VIP that stays open: what is said comes back. */
async function connect() {
  const child = client.namespace.spawn('ncat', [VIP, '80'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
  const say = async (text: string) => {
    const answer = once(lines, 'line', { signal: AbortSignal.timeout(5000) })
    child.stdin?.write(`${text}\n`)
    return ((await answer) as [string])[0]
  }
  return { say, end: () => child.kill() }
}

const echo = server.namespace.spawn('ncat', ['-lk', '9000', '--exec', '/bin/cat'], {
  stdio: 'ignore',
})
t.teardown(() => echo.kill())

t.test('taking over from a kube-proxy breaks no connection, then its tables go', async t => {
  await nft(KUBE_PROXY + FOREIGN)
  const old = await eventually('a connection through kube-proxy', async () => {
    const connection = await connect()
    if ((await connection.say('hello')) !== 'hello') throw new Error('no echo')
    return connection
  })
  const proxy = new ProxyProcess(net.node, {
    nodeName: 'node-1',
    families: [4, 6],
    clusterCIDRs: [],
    masqueradeAll: false,
    nodePortAddresses: [],
  })
  proxy.set(
    service({ clusterIP: VIP, ports: [servicePort()] }),
    slice({
      labels: { [SERVICE_NAME_LABEL]: 'web' },
      ports: [{ name: '', protocol: 'TCP', port: 9000 }],
      endpoints: [endpoint(server.ip4)],
    }),
  )
  proxy.sync()
  await proxy.programmed()
  const own = ['table ip firewall', 'table ip nodeplane', 'table ip6 nodeplane']
  await eventually("kube-proxy's tables to go", async () => (await tables()).length === own.length)
  t.strictSame(await tables(), own)
  t.equal(await old.say('still here'), 'still here')
  const fresh = await connect()
  t.equal(await fresh.say('new'), 'new')
  fresh.end()
  await proxy.stop('SIGTERM')
  t.equal(await old.say('without a proxy'), 'without a proxy')
  old.end()
})

t.test("the clean-up removes ours and kube-proxy's, twice, and nothing of others", async t => {
  await nft(KUBE_PROXY)
  await cleanup(net.node)
  t.strictSame(await tables(), ['table ip firewall'])
  await cleanup(net.node)
  t.strictSame(await tables(), ['table ip firewall'])
})
