import t from 'tap'
import type { ClusterEvent } from '#cluster/events.ts'
import type { Clock } from '#runtime/clock.ts'
import { silentLogger } from '#runtime/log.ts'
import { eventObject } from '../../../src/cluster/api/event-object.ts'
import { openEventWriter } from '../../../src/cluster/api/event-writer.ts'
import { TestApiServer } from '../../helper/api-server.ts'
import { eventually } from '../../helper/eventually.ts'

const starting: ClusterEvent = {
  regarding: { kind: 'Node', name: 'node-a', namespace: '' },
  type: 'Normal',
  reason: 'Starting',
  action: 'StartKubeProxy',
  note: '',
}
const refused = (name: string): ClusterEvent => ({
  regarding: { kind: 'Service', name, namespace: 'shop' },
  type: 'Warning',
  reason: 'FailedToStartServiceHealthcheck',
  action: 'Listen',
  note: 'in use',
})

t.test('an Event as kube-proxy writes it', async t => {
  const atMs = Date.UTC(2026, 10, 21, 12, 0, 0, 7)
  t.match(eventObject(starting, { nodeName: 'node-a', atMs, count: 0 }), {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: /^node-a\.[0-9a-f]+\.0$/, namespace: 'default' },
    eventTime: '2026-11-21T12:00:00.007000Z',
    reportingController: 'kube-proxy',
    reportingInstance: 'kube-proxy-node-a',
    action: 'StartKubeProxy',
    reason: 'Starting',
    regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-a', uid: 'node-a' },
    type: 'Normal',
  })
})

t.test('what the API limits is cut', async t => {
  const event = { ...refused('x'.repeat(253)), note: 'n'.repeat(5000) }
  const object = eventObject(event, { nodeName: 'n'.repeat(253), atMs: 0, count: 9 }) as {
    note: string
    reportingInstance: string
    metadata: { name: string }
  }
  t.equal(object.note.length, 1024)
  t.equal(object.reportingInstance.length, 128)
  t.ok(object.metadata.name.length <= 253)
})

/** A writer for a server of its own; waits take no time and are noted. */
async function setUp() {
  const api = await TestApiServer.start({ token: 'secret' })
  const waits: number[] = []
  const clock: Clock = {
    now: () => 1_700_000_000_000,
    monotonic: () => 0,
    sleep: async ms => {
      waits.push(ms)
    },
  }
  const connection = { kubeconfig: await api.writeKubeconfig(), env: {} }
  const writer = await openEventWriter(connection, {
    nodeName: 'node-a',
    log: silentLogger(),
    clock,
  })
  const stop = new AbortController()
  const ended = writer.run(stop.signal)
  t.teardown(async () => {
    stop.abort()
    await ended
    writer[Symbol.dispose]()
    await api[Symbol.asyncDispose]()
  })
  return { api, writer, waits, stop, ended }
}
const names = (api: TestApiServer) =>
  api.events.map(({ regarding }) => (regarding as { name: string }).name)

t.test('Events reach the server one after the other, with a pause between them', async t => {
  const { api, writer, waits } = await setUp()
  writer.record(starting)
  writer.record(refused('web'))
  await eventually('both', () => api.events.length === 2)
  t.match(api.events, [
    { reason: 'Starting', metadata: { namespace: 'default' } },
    { reason: 'FailedToStartServiceHealthcheck', metadata: { namespace: 'shop' } },
  ])
  await eventually('the pauses', () => waits.length === 2)
  t.strictSame(waits, [200, 200])
})

t.test('a server that is busy is asked again; what it forbids is dropped at once', async t => {
  const { api, writer } = await setUp()
  api.eventRefusals.push(503, 429)
  writer.record(refused('busy'))
  await eventually('the first', () => api.events.length === 1)
  api.eventRefusals.push(403)
  writer.record(refused('forbidden'))
  writer.record(refused('after'))
  await eventually('the last', () => api.events.length === 2)
  t.strictSame(names(api), ['busy', 'after'])
})

t.test('a server that stays away costs four tries, then the next Event has its turn', async t => {
  const { api, writer } = await setUp()
  api.eventRefusals.push(500, 500, 500, 500)
  writer.record(refused('lost'))
  writer.record(refused('next'))
  await eventually('the next', () => api.events.length === 1)
  t.strictSame(names(api), ['next'])
})

t.test('a flood is cut, and does not wait', async t => {
  const { api, writer } = await setUp()
  for (let index = 0; index < 1000; index++) writer.record(refused(`s${index}`))
  await eventually('those that were taken', () => api.events.length === 100)
  writer.record(refused('later'))
  await eventually('the next', () => names(api).at(-1) === 'later')
  t.equal(api.events.length, 101)
})

t.test('what waits at the end is still written', async t => {
  const { api, writer, stop, ended } = await setUp()
  writer.record(starting)
  stop.abort()
  await ended
  t.strictSame(names(api), ['node-a'])
})
