import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import type { Clock } from '#runtime/clock.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { healthRoutes, ProxyHealth } from '../../../src/proxy/server/health.ts'

const START = Date.parse('2026-01-02T03:04:05Z')

class HeldClock implements Clock {
  ms = 0
  now = () => START + this.ms
  monotonic = () => this.ms
  sleep = async () => {}
}

const nodeWith = (fields: Partial<Node> = {}): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels: {} },
  addresses: [],
  podCIDRs: [],
  taints: [],
  deleting: false,
  ...fields,
})

function healthWith(node: Node | undefined) {
  const clock = new HeldClock()
  const metrics = createMetrics()
  const health = new ProxyHealth({ families: [4, 6], syncPeriodMs: 30_000 }, clock)
  const routes = healthRoutes({ health, node: () => node, metrics, clock })
  const ask = async (path: '/livez' | '/healthz') => {
    const answer = await routes[path]?.(new URLSearchParams(), async () => '')
    t.equal(answer?.contentType, 'application/json', path)
    return { status: answer?.status, body: JSON.parse(answer?.body ?? '') as object }
  }
  return { clock, health, ask, metrics }
}

t.test('healthy from the start, with one entry for each family', async t => {
  const { clock, ask } = healthWith(nodeWith())
  clock.ms = 5000
  t.strictSame(await ask('/healthz'), {
    status: 200,
    body: {
      lastUpdated: '2026-01-02T03:04:10.000Z',
      currentTime: '2026-01-02T03:04:10.000Z',
      nodeEligible: true,
      healthy: true,
      status: {
        IPv4: { lastUpdated: '2026-01-02T03:04:05.000Z', healthy: true },
        IPv6: { lastUpdated: '2026-01-02T03:04:05.000Z', healthy: true },
      },
    },
  })
})

t.test('a change may wait for a minute, the oldest one counts', async t => {
  const { clock, health, ask } = healthWith(nodeWith())
  health.queued(4)
  clock.ms = 30_000
  health.queued(4)
  clock.ms = 60_000
  t.equal((await ask('/livez')).status, 200)
  clock.ms = 60_001
  t.match(await ask('/livez'), {
    status: 503,
    body: {
      lastUpdated: '2026-01-02T03:04:05.000Z',
      healthy: false,
      status: { IPv4: { healthy: false }, IPv6: { healthy: true } },
    },
  })
})

t.test("a sync clears its own family's change and no other's", async t => {
  const { clock, health, ask } = healthWith(nodeWith())
  health.queued(4)
  health.queued(6)
  clock.ms = 50_000
  health.updated(6)
  clock.ms = 70_000
  t.match(await ask('/livez'), {
    status: 503,
    body: { lastUpdated: '2026-01-02T03:04:55.000Z', status: { IPv6: { healthy: true } } },
  })
  health.updated(4)
  t.equal((await ask('/livez')).status, 200)
})

t.test('livez says nothing of the node', async t => {
  const { ask } = healthWith(undefined)
  const { status, body } = await ask('/livez')
  t.equal(status, 200)
  t.notOk('nodeEligible' in body)
})

const nodes: readonly { title: string; node: Node | undefined; status: number }[] = [
  { title: 'an unknown Node is not eligible', node: undefined, status: 503 },
  { title: 'a Node being deleted is not', node: nodeWith({ deleting: true }), status: 503 },
  {
    title: 'a Node that the autoscaler will remove is not',
    node: nodeWith({ taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] }),
    status: 503,
  },
  {
    title: 'other taints do not matter',
    node: nodeWith({ taints: [{ key: 'dedicated', effect: 'NoSchedule' }] }),
    status: 200,
  },
]
for (const { title, node, status } of nodes) {
  t.test(`healthz: ${title}; healthy is about the proxy alone`, async t => {
    t.match(await healthWith(node).ask('/healthz'), {
      status,
      body: { nodeEligible: status === 200, healthy: true },
    })
  })
}

t.test('answers are counted by code', async t => {
  const { ask, metrics } = healthWith(undefined)
  await ask('/healthz')
  await ask('/livez')
  await ask('/livez')
  const text = await metrics.metrics()
  t.match(text, 'kubeproxy_proxy_healthz_total{code="503"} 1')
  t.match(text, 'kubeproxy_proxy_livez_total{code="200"} 2')
})
