import { existsSync } from 'node:fs'
import { mkdir, readFile, stat } from 'node:fs/promises'
import t from 'tap'
import { pluginNames } from '#cni/plugins.ts'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { reachApiServer, startApiCluster } from '../helper/api-cluster.ts'
import { eventually } from '../helper/eventually.ts'

const TAINT = 'nodeplane.example/not-ready'
/** Programs start slowly on a machine that is busy. */
const START_MS = 30_000
const other = { key: 'example.org/gpu', effect: 'NoSchedule' }
const address = { type: 'InternalIP', address: '192.168.50.1' }

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await reachApiServer(node.net.node)
const api = await startApiCluster()
t.teardown(() => api[Symbol.asyncDispose]())
const setNode = (podCIDRs: readonly string[]) =>
  api.set('Node', {
    metadata: { name: 'node-a' },
    spec: { podCIDRs, taints: [{ key: TAINT, effect: 'NoSchedule' }, other] },
    status: { addresses: [address] },
  })
const taints = () => {
  const { spec } = api.history.get('Node', 'node-a') as { spec?: { taints?: unknown } }
  return spec?.taints
}
setNode([])
await mkdir(node.path('from'))
for (const name of pluginNames) await node.write(`from/${name}`, `program ${name}`)
await node.configure({
  nodeName: 'node-a',
  cluster: { kubeconfig: await api.writeKubeconfig() },
  proxy: { config: 'kube-proxy.yaml' },
  dns: { corefile: 'Corefile' },
  routes: { mtuFile: node.path('mtu') },
  cni: {
    socket: node.path('cni.sock'),
    stateDir: node.path('pods'),
    journalDir: node.path('cni'),
    install: { binDir: node.path('bin'), confDir: node.path('net.d'), from: node.path('from') },
  },
  readyTaint: TAINT,
})
const { config } = node
const conflist = node.path('net.d/10-nodeplane.conflist')
let agent = AgentProcess.spawn(node.net.node, { config })
t.teardown(() => agent[Symbol.asyncDispose]())

t.test('until all else is ready nobody is told', async t => {
  const { body } = await eventually(
    'a refusal of the routes',
    async () => {
      const answer = await agent.get('/readyz')
      if (!/^routes: there is no podCIDR yet: node-a$/m.test(answer.body))
        throw new Error(answer.body)
      return answer
    },
    START_MS,
  )
  t.match(body, /^cni: .*not /m)
  t.notOk(existsSync(conflist))
  t.match(taints(), [{ key: TAINT }, other])
})

t.test('ready: the executables, the configuration, and last the taint goes', async t => {
  setNode(['10.244.1.0/24'])
  await eventually('the end of the taint', () => (taints() as readonly unknown[]).length === 1)
  t.strictSame(taints(), [other], 'taints of others stay')
  await agent.ready()
  t.equal(await readFile(node.path('bin/bridge'), 'utf8'), 'program bridge')
  const { plugins } = JSON.parse(await readFile(conflist, 'utf8'))
  t.strictSame(plugins[0].ipam.ranges, [[{ subnet: '10.244.1.0/24' }]])
})

t.test('a taint that comes back is taken away again', async () => {
  setNode(['10.244.1.0/24'])
  await eventually('the end of the taint', () => (taints() as readonly unknown[]).length === 1)
})

t.test('over a restart the configuration stays as it is', async t => {
  const before = await stat(conflist)
  agent.kill('SIGTERM')
  t.equal(await agent.exit(), 0)
  t.ok(existsSync(conflist))
  agent = await AgentProcess.start(node.net.node, { config })
  const { ino, mtimeMs } = await stat(conflist)
  t.strictSame({ ino, mtimeMs }, { ino: before.ino, mtimeMs: before.mtimeMs })
})
