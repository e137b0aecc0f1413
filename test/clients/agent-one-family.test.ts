import { symlink } from 'node:fs/promises'
import t from 'tap'
import { AgentNode, serviceManifest } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'

const node = await AgentNode.create(t.testdir({ programs: {} }))
t.teardown(() => node[Symbol.asyncDispose]())
const { net } = node
await node.write(
  'kube-proxy.yaml',
  'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\n',
)
await node.write(
  'manifests/web.yaml',
  serviceManifest('web', { clusterIP: '10.96.0.20', pod: node.server.ip4 }),
)
for (const name of ['iptables', 'iptables-save', 'iptables-restore']) {
  await symlink(`/usr/sbin/${name}`, node.path(`programs/${name}`))
}

t.test(
  'an agent whose node has no ip6tables is ready when the rules of IPv4 are there',
  async t => {
    await using agent = await AgentProcess.start(net.node, {
      config: node.config,
      through: ['env', `PATH=${node.path('programs')}`],
    })
    t.match(await agent.get('/readyz'), { status: 200 })
    t.match((await net.node.exec('iptables-save', ['-t', 'nat'])).stdout, '-d 10.96.0.20/32')
    t.match(
      agent.loggedFrom(40).filter(({ msg }) => msg === 'family not served'),
      [{ family: 6, reason: /^ip6tables: not found/ }],
    )
  },
)
