import { readFile } from 'node:fs/promises'
import t from 'tap'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'

/** The node of the topology, and another one where the topology has its outside host. */
const nodes = (ofOther: string) => `apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [10.244.1.0/24, "fd00:244:1::/64"] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.1 }, { type: InternalIP, address: "fd00:50::1" }] }
---
apiVersion: v1
kind: Node
metadata: { name: node-b }
spec: { podCIDRs: [${ofOther}] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.2 }] }
`

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await node.write('manifests/nodes.yaml', nodes('10.244.9.0/24'))
await node.configure({
  nodeName: 'node-a',
  cluster: { manifests: 'manifests' },
  proxy: { config: 'kube-proxy.yaml' },
  dns: false,
  routes: { mtuFile: node.path('mtu') },
})
const ours = () => node.net.node.ip('route show proto 110')

t.test(
  'the agent makes routes from its Nodes, is ready when they are there, and counts them',
  async t => {
    const agent = await AgentProcess.start(node.net.node, { config: node.config })
    t.teardown(() => agent[Symbol.asyncDispose]())
    t.match(await ours(), /^10\.244\.9\.0\/24 via 192\.168\.50\.2 dev eth0 metric 110 *\n$/)
    t.equal(await readFile(node.path('mtu'), 'utf8'), '1430\n')
    t.match((await agent.get('/metrics')).body, /^nodeplane_routes_routes\{ip_family="IPv4"\} 1$/m)

    await node.write('manifests/nodes.yaml', nodes('10.244.8.0/24'))
    await eventually('the other range', async () => (await ours()).startsWith('10.244.8.0/24 '))
    await node.write('manifests/nodes.yaml', nodes('0.0.0.0/0'))
    await eventually('the refused range', async () => (await ours()) === '')
    t.match(
      agent.loggedFrom(40).map(({ msg }) => msg),
      ['node node-b: podCIDR 0.0.0.0/0 is too large: at least /8 is wanted'],
    )
    await node.write('manifests/nodes.yaml', nodes('10.244.9.0/24'))
    await eventually('the range again', async () => (await ours()).startsWith('10.244.9.0/24 '))
    agent.kill('SIGTERM')
    t.equal(await agent.exit(), 0)
    t.not(await ours(), '', 'routes outlive the agent')
  },
)

t.test('agent --cleanup removes rules and routes', async t => {
  await node.net.node.exec(process.execPath, [MAIN, 'agent', '--cleanup'])
  t.equal(await ours(), '')
  t.equal((await node.net.node.exec('nft', ['list', 'ruleset'])).stdout, '')
})
