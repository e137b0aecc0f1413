import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { clusterOfAgent } from '#agent/why/collect/cluster-view.ts'
import { service } from '../../../helper/cluster.ts'

/** What an agent tells, without the agent. */
async function agentThat(t: Test, node: object, objects: Readonly<Record<string, unknown>>) {
  // The path of a socket has 107 characters at most (unix(7)), which a folder of tap's can exceed.
  const folder = mkdtempSync(join(tmpdir(), 'why-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const socket = join(folder, 'agent.sock')
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://agent')
    const body = pathname.endsWith('/node') ? node : objects[searchParams.get('kind') ?? '']
    response.statusCode = body === undefined ? 404 : 200
    response.end(JSON.stringify(body ?? {}))
  }).listen(socket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return socket
}

const NOW = 1_800_000_000_000
const nodeView = (cluster: object = {}, parts: readonly object[] = []) => ({
  node: 'node-1',
  nowMs: NOW,
  parts,
  cluster: { origin: 'https://api:6443', kinds: [], ...cluster },
})

t.test('the objects that the agent has', async t => {
  const socket = await agentThat(t, nodeView(), { Service: [service()], EndpointSlice: [] })
  const { store, view, nodeName } = await clusterOfAgent(socket)
  t.equal(nodeName, 'node-1')
  t.strictSame(store.get('Service', 'default/web'), service())
  t.strictSame(view, {
    origin: 'https://api:6443',
    state: 'live',
    sinceMs: undefined,
    nowMs: NOW,
    reason: undefined,
  })
  t.ok(store.isSynced('Node'), 'nobody waits for what the agent does not read')
  t.notOk(store.isSynced('Pod'), 'that pods are not known can be seen')
})

const stale = [
  ['a snapshot', { staleSinceMs: NOW - 60_000 }, [], NOW - 60_000],
  ['nothing was heard for long', { lastHeardMs: NOW - 600_000 }, [], NOW - 600_000],
  ['the agent says so', {}, [{ part: 'cluster', ok: false, reason: 'no list' }], undefined],
] as const
for (const [title, cluster, parts, sinceMs] of stale) {
  t.test(`stale: ${title}`, async t => {
    const { view } = await clusterOfAgent(await agentThat(t, nodeView(cluster, parts), {}))
    t.match(view, { state: 'stale' })
    t.equal(view.sinceMs, sinceMs)
  })
}

t.test('live: it was heard of just now', async t => {
  const socket = await agentThat(t, nodeView({ lastHeardMs: NOW - 60_000 }), {})
  t.match((await clusterOfAgent(socket)).view, { state: 'live' })
})

t.test('no agent', async t => {
  await t.rejects(clusterOfAgent('/nonexistent/agent.sock'), { code: 'ERR_AGENT_UNREACHABLE' })
})
