import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { buildInto } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { LoadedNode, type NodeReport } from '../helper/loaded-node.ts'

/*
 * The agent of a node is replaced while everything it serves is in use. What is counted is what programs see: a connection or a
 * datagram has 5 s (SYNs are sent again after one), a name fails when two tries of 2 s got no answer, a CNI call when it fails.
 */

const folder = t.testdir({ node: {} })
const dist = join(folder, 'dist')
await buildInto(dist)
const loaded = await LoadedNode.create(dist, join(folder, 'node'))
t.teardown(() => loaded[Symbol.asyncDispose]())
let agent = loaded.spawnAgent()
t.teardown(() => agent[Symbol.asyncDispose]())
await agent.ready()

/** What clients see while something is done to the agent, and until the next one answers queries. */
async function underLoad(disturb: () => Promise<void>): Promise<NodeReport> {
  await eventually('queries to be caught', () => loaded.isCaught(), 30_000)
  const dns = { tries: 2, timeoutMs: 2000 }
  const load = await loaded.startLoad({ perSecond: 50, deadlineMs: 5000, established: 5, dns })
  await sleep(1000)
  await disturb()
  agent = loaded.spawnAgent()
  await agent.ready()
  await eventually('queries to be caught', () => loaded.isCaught(), 30_000)
  return load.stop()
}

function nothingFailed(t: Test, report: NodeReport): void {
  for (const kind of ['tcp', 'udp', 'dns', 'cni'] as const) {
    t.strictSame(report[kind].failures, [], kind)
    t.ok(report[kind].operations > 0)
  }
  t.equal(report.established.broken, 0, 'connections that were there')
  t.ok(report.answers.agent > 0 && report.answers.service > 0, 'names come from both')
}

t.test('a rolling update: nothing fails', async t => {
  const report = await underLoad(async () => {
    agent.kill('SIGTERM')
    t.equal(await agent.exit(), 0)
    // Longer than it takes the next one to start: a kubelet is not quick.
    await sleep(1000)
  })
  nothingFailed(t, report)
})

t.test('kill -9: names need their second try, and no call but one under way fails', async t => {
  const report = await underLoad(async () => {
    agent.kill('SIGKILL')
    await agent.exit()
  })
  const interrupted = /took the call and did not answer/
  const calls = report.cni.failures.filter(({ reason }) => !interrupted.test(reason))
  t.ok(report.cni.failures.length <= 2)
  nothingFailed(t, { ...report, cni: { ...report.cni, failures: calls } })
})
