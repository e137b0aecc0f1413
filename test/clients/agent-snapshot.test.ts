import { appendFile, readFile, stat } from 'node:fs/promises'
import t from 'tap'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import {
  reachApiServer,
  resumeApiCluster,
  setEndpoints,
  setService,
  startApiCluster,
} from '../helper/api-cluster.ts'
import { eventually } from '../helper/eventually.ts'

const COME_BACK_MS = 30_000

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await reachApiServer(node.net.node)
let api = await startApiCluster()
t.teardown(() => api[Symbol.asyncDispose]())
const { port } = api
for (const [name, address] of [
  ['web', '10.96.0.20'],
  ['gone', '10.96.0.21'],
] as const) {
  setService(api, name, address)
  setEndpoints(api, name, [node.server.ip4])
}
const file = node.path('snapshot/cluster')
// Outlives the server.
await node.write('kubeconfig', await readFile(await api.writeKubeconfig(), 'utf8'))
await node.configure({
  nodeName: 'node-a',
  cluster: { kubeconfig: node.path('kubeconfig') },
  proxy: { config: 'kube-proxy.yaml' },
  dns: { corefile: 'Corefile' },
  snapshot: { file, interval: '1s', wait: '2s' },
  log: { level: 'debug' },
})
const { config } = node
const answered = `web ${node.client.ip4}`
const isServed = async (name: string, clusterIP: string) =>
  (await node.addressOf(name)) === clusterIP && (await node.connect(clusterIP)) === answered

/** As after a power failure: no process, no rules. */
async function reboot(agent: AgentProcess): Promise<AgentProcess> {
  agent.kill('SIGKILL')
  await agent.exit()
  await node.net.node.exec('nft', ['flush', 'ruleset'])
  return AgentProcess.spawn(node.net.node, { config })
}

let agent = await AgentProcess.start(node.net.node, { config })
t.teardown(() => agent[Symbol.asyncDispose]())

t.test('a node that starts without the API server serves what was known last', async t => {
  t.match((await agent.get('/metrics')).body, /^nodeplane_snapshot_age_seconds 0$/m)
  await eventually('a snapshot', () => stat(file))
  await api[Symbol.asyncDispose]()
  agent = await reboot(agent)
  await agent.ready()
  t.ok(await isServed('web', '10.96.0.20'))
  t.ok(await isServed('gone', '10.96.0.21'))
  t.equal(await node.addressOf('never-was'), 'SERVFAIL', 'nothing is denied')
  const { body } = await agent.get('/metrics')
  t.match(body, /^nodeplane_snapshot_stale 1$/m)
  const age = Number(/^nodeplane_snapshot_age_seconds (.*)$/m.exec(body)?.[1])
  t.ok(age > 0 && age < 60, `an age of ${age} s`)
  t.match(
    (await agent.get('/readyz?verbose')).body,
    /^\[\+\]cluster ok \(from a snapshot, \d+ s old/m,
  )
  const [line] = agent.log.filter(({ component }) => component === 'snapshot')
  t.match(line, { level: 40, msg: /serving what was known last/, objects: Number })
})

t.test(
  'the API server is back: its state is applied as a difference, and denials are said',
  async t => {
    api = await resumeApiCluster(api, port)
    api.delete('Service', 'shop/gone')
    setService(api, 'meanwhile', '10.96.0.32')
    setEndpoints(api, 'meanwhile', [node.server.ip4])
    await eventually('what is new', () => isServed('meanwhile', '10.96.0.32'), COME_BACK_MS)
    await eventually('what is gone', async () => (await node.addressOf('gone')) === 'NXDOMAIN')
    t.equal(await node.addressOf('never-was'), 'NXDOMAIN')
    t.ok(await isServed('web', '10.96.0.20'))
    const written = agent.log
      .filter(({ msg, family }) => family === 4 && ['synced', 'programmed'].includes(msg))
      .map(({ services }) => Number(services))
    t.ok(
      written.slice(1).every(services => services <= 2),
      `what did not change was not written again: ${written.join()}`,
    )
    t.match((await agent.get('/metrics')).body, /^nodeplane_snapshot_age_seconds 0$/m)
  },
)

t.test('a damaged snapshot: one warning, and the node waits for the API server', async t => {
  await api[Symbol.asyncDispose]()
  agent.kill('SIGTERM')
  await agent.exit()
  await appendFile(file, 'x')
  agent = await reboot(agent)
  await eventually('a warning', () =>
    agent.loggedFrom(40).some(({ component }) => component === 'snapshot'),
  )
  const warnings = agent.loggedFrom(40).filter(({ component }) => component === 'snapshot')
  t.match(warnings, [{ msg: 'the snapshot cannot be used', reason: /damaged/ }])
  t.match((await agent.get('/readyz')).body, /^cluster: not listed yet: /)
  await eventually('DNS', async () => (await node.addressOf('web')) === 'SERVFAIL')

  api = await resumeApiCluster(api, port)
  await eventually('its state', () => isServed('web', '10.96.0.20'), COME_BACK_MS)
})
