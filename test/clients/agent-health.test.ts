import t from 'tap'
import { AgentNode, serviceManifest } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { eventually } from '../helper/eventually.ts'

/** Only bounds a failure: on a machine that has nothing else to do a fault shows within 4 s. */
const TOLD_MS = 20_000

const NODES = `apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [10.244.1.0/24] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.1 }] }
---
apiVersion: v1
kind: Node
metadata: { name: node-b }
spec: { podCIDRs: [10.244.9.0/24] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.2 }] }
`

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
const { net } = node
const setKubernetes = (pod: string) =>
  node.write(
    'manifests/kubernetes.yaml',
    serviceManifest('kubernetes', { clusterIP: '10.96.0.1', pod }).replaceAll('shop', 'default'),
  )
await setKubernetes(node.server.ip4)
await node.write('manifests/nodes.yaml', NODES)
await node.configure({
  nodeName: 'node-a',
  cluster: { manifests: 'manifests' },
  proxy: { config: 'kube-proxy.yaml' },
  dns: { corefile: 'Corefile' },
  cni: { socket: node.path('cni.sock'), stateDir: node.path('pods'), journalDir: node.path('cni') },
  routes: { mtuFile: node.path('mtu') },
})
const agent = await AgentProcess.start(net.node, { config: node.config })
t.teardown(() => agent[Symbol.asyncDispose]())

const readyz = async () => (await agent.get('/readyz')).body
const told = (what: string, line: RegExp) =>
  eventually(what, async () => line.test(await readyz()) && readyz(), TOLD_MS)
const well = () => eventually('all to be well', async () => (await readyz()) === 'ok\n', TOLD_MS)
const metric = async (line: string) => (await agent.get('/metrics')).body.includes(`\n${line}\n`)

/** Puts a table of somebody else in the proxy's place: it cannot repair its rules until this is let go. */
async function takeTable(): Promise<() => void> {
  const other = net.node.spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'inherit'] })
  other.stdin?.write('delete table ip nodeplane\nadd table ip nodeplane { flags owner; }\n')
  await eventually('the table to be taken', async () =>
    (await net.node.exec('nft', ['list', 'ruleset'])).stdout.includes('flags owner'),
  )
  return () => other.stdin?.end()
}

t.test('all parts are well, and ?verbose has a line for each', async t => {
  t.strictSame(await agent.get('/readyz?verbose'), {
    status: 200,
    body: '[+]cluster ok\n[+]routes ok\n[+]proxy ok\n[+]dns ok\n[+]cni ok\n',
  })
  t.strictSame(await agent.get('/healthz'), { status: 200, body: 'ok\n' })
  t.strictSame(await agent.get('/livez'), { status: 200, body: 'ok\n' })
})

t.test('rules that are gone and cannot be repaired show as proxy', async t => {
  const release = await takeTable()
  const line = await told('the proxy', /^proxy: the cluster IP 10\.96\.0\.1:80 of default\/kube/m)
  t.match(line, /leads nowhere: (no answer|E[A-Z]+)\n$/)
  t.notMatch(line, /^(dns|routes|cluster|cni):/m)
  t.ok(await metric('nodeplane_agent_probe_failing{part="proxy"} 1'))
  release()
  await well()
  t.ok(await metric('nodeplane_agent_probe_failing{part="proxy"} 0'))
})

t.test('a server that does not answer is no fault of the rules', async t => {
  await setKubernetes('192.168.50.77')
  await eventually('the rules', async () => {
    const { stdout } = await net.node.exec('nft', ['list', 'table', 'ip', 'nodeplane'])
    return stdout.includes('192.168.50.77')
  })
  const before = await probes('proxy', 'ok')
  await eventually('two more probes', async () => (await probes('proxy', 'ok')) >= before + 2)
  t.equal(await readyz(), 'ok\n')
})

t.test('without a Service to connect to, rules that are missing show as well', async () => {
  await node.write('manifests/kubernetes.yaml', '')
  await node.addService('web', '10.96.0.20')
  await eventually(
    'the end of it',
    async () => (await node.dig('kubernetes.default.svc.cluster.local')).status === 'NXDOMAIN',
  )
  const release = await takeTable()
  const table = 'the nftables table ip nodeplane has no rules in its chain prerouting'
  await told('the proxy', new RegExp(`^proxy: ${table}$`, 'm'))
  release()
  await well()
  await setKubernetes(node.server.ip4)
})

t.test('queries that are dropped show as dns', async t => {
  await net.node.exec('nft', ['-f', '-'], { input: DROP_QUERIES })
  const line = await told('DNS', /^dns: 127\.0\.0\.1:53 asked for /m)
  t.match(line, /^dns: 127\.0\.0\.1:53 asked for [a-z.]+\.svc\.cluster\.local\.: no answer\n$/)
  await net.node.exec('nft', ['delete', 'table', 'ip', 'somebody'])
  await well()
})

const DROP_QUERIES = `table ip somebody {
  chain input { type filter hook input priority 0; udp dport 53 drop; }
}
`

t.test('a route of somebody else that comes first shows as routes', async t => {
  await net.node.ip('route add blackhole 10.244.9.0/24 metric 5')
  t.equal(
    await told('the route', /^routes: pods of node-b/m),
    'routes: pods of node-b (10.244.9.0/24) are not reached: blackhole\n',
  )
  await net.node.ip('route del blackhole 10.244.9.0/24 metric 5')
  await well()
  await net.node.ip('route add 10.244.9.0/25 via 10.244.1.2 dev br0')
  const instead = 'packets leave by br0 via 10.244.1.2 instead of eth0 via 192.168.50.2'
  t.match(await told('the route', /^routes: /m), instead)
  await net.node.ip('route del 10.244.9.0/25')
  await well()
})

/** How many probes of a part had this result. */
async function probes(part: string, result: string): Promise<number> {
  const { body } = await agent.get('/metrics')
  const line = `nodeplane_agent_probes_total{part="${part}",result="${result}"} `
  return Number(
    body
      .split('\n')
      .find(each => each.startsWith(line))
      ?.slice(line.length) ?? 0,
  )
}
