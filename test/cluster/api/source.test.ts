import t from 'tap'
import type { Wanted } from '#cluster/source.ts'
import { version } from '#runtime/version.ts'
import { type ApiServerOptions, TestApiServer } from '../../helper/api-server.ts'
import { eventually } from '../../helper/eventually.ts'
import { RunningSource } from '../../helper/running-source.ts'

const service = (name: string, fields: Readonly<Record<string, unknown>> = {}) => ({
  metadata: { name, namespace: 'shop', managedFields: [{ manager: 'x' }] },
  spec: { clusterIP: '10.96.0.1', ...fields },
})
const services: Wanted = { Service: {} }

async function serverWith(count: number, options?: ApiServerOptions): Promise<TestApiServer> {
  const server = await TestApiServer.start(options)
  for (let i = 0; i < count; i++) server.set('Service', service(`s${i}`))
  return server
}

/** A source that has listed the server's Services and watches them. */
async function watching(
  server: TestApiServer,
  options: Parameters<typeof RunningSource.start>[2] = {},
): Promise<RunningSource> {
  const source = await RunningSource.start({ endpoint: server.url }, services, options)
  await eventually('the watch', () => server.watchers('Service') === 1)
  return source
}

const sizeOf = ({ store }: RunningSource) => [...store.list('Service')].length

t.test('every wanted kind is listed and watched in all namespaces, and no other', async t => {
  await using server = await TestApiServer.start()
  server.set('Service', service('web'))
  server.set('EndpointSlice', { metadata: { name: 'web-1', namespace: 'shop' } })
  server.set('Node', { metadata: { name: 'n1' } })
  server.set('Namespace', { metadata: { name: 'shop' } })
  server.set('Pod', { metadata: { name: 'p', namespace: 'shop' } })
  const wanted = { Service: {}, EndpointSlice: {}, Node: {}, Namespace: {} }
  await using source = await RunningSource.start({ endpoint: server.url }, wanted)
  for (const kind of ['Service', 'EndpointSlice', 'Node', 'Namespace'] as const) {
    await eventually(kind, () => source.store.isSynced(kind) && server.watchers(kind) === 1)
  }
  t.ok(source.store.get('Service', 'shop/web'))
  t.ok(source.store.get('EndpointSlice', 'shop/web-1'))
  t.ok(source.store.get('Node', 'n1'))
  t.ok(source.store.get('Namespace', 'shop'))
  t.notOk(server.requests.some(request => request.kind === 'Pod'))
  t.notOk(source.store.isSynced('Pod'))
  t.equal(server.requests[0]?.headers['user-agent'], `nodeplane/${version}`)
})

t.test('selectors go with every list and every watch', async t => {
  await using server = await TestApiServer.start()
  const selection = {
    labelSelector: '!service.kubernetes.io/service-proxy-name',
    fieldSelector: 'spec.clusterIP!=None',
  }
  await using _source = await RunningSource.start({ endpoint: server.url }, { Service: selection })
  await eventually('the watch', () => server.watchers('Service') === 1)
  for (const { query } of server.requests) t.match(query, selection)
  t.equal(server.requests.length, 2)
})

t.test('a list of more than 500 objects comes in pages, all of one version', async t => {
  await using server = await serverWith(1200)
  await using source = await watching(server)
  t.equal(sizeOf(source), 1200)
  const lists = server.seen('Service', 'list')
  t.strictSame(
    lists.map(({ query }) => [query['limit'], query['continue'] !== undefined]),
    [
      ['500', false],
      ['500', true],
      ['500', true],
    ],
  )
})

t.test('a continue token that expired: everything is listed again, in one piece', async t => {
  await using server = await serverWith(600)
  server.inject('Service', 'list', { before: () => {} })
  // Between two pages: an object of the first page goes, and must not stay.
  const before = () => {
    server.delete('Service', 'shop/s0')
    server.compact()
  }
  server.inject('Service', 'list', { before })
  await using source = await RunningSource.start({ endpoint: server.url }, services)
  await eventually('the sync', () => source.store.isSynced('Service'))
  t.equal(sizeOf(source), 599)
  t.equal(source.store.get('Service', 'shop/s0'), undefined)
  t.equal(server.seen('Service', 'list').at(-1)?.query['limit'], undefined)
  t.strictSame(source.warnings(), [])
})

t.test('the watch begins at the version of the list and adds, changes, deletes', async t => {
  await using server = await serverWith(1)
  await using source = await watching(server)
  const [watch] = server.seen('Service', 'watch')
  t.match(watch?.query, { allowWatchBookmarks: 'true', resourceVersion: '1001' })
  const timeout = Number(watch?.query['timeoutSeconds'])
  t.ok(timeout >= 300 && timeout <= 600, 'asks to end after five to ten minutes')
  server.set('Service', service('new'))
  server.set('Service', service('s0', { externalName: 'x' }))
  await eventually('new', () => source.store.get('Service', 'shop/new'))
  t.equal(source.store.get('Service', 'shop/s0')?.externalName, 'x')
  server.delete('Service', 'shop/s0')
  await eventually('gone', () => source.store.get('Service', 'shop/s0') === undefined)
})

t.test(
  'a watch that ends is taken up where it ended: bookmarks count, nothing is listed',
  async t => {
    await using server = await serverWith(1)
    await using source = await watching(server)
    server.set('Service', service('new'))
    server.bookmark('Service')
    await eventually('new', () => source.store.get('Service', 'shop/new'))
    server.endWatches('Service')
    await eventually('the next watch', () => server.seen('Service', 'watch').length === 2)
    t.equal(server.seen('Service', 'watch')[1]?.query['resourceVersion'], '1003')
    t.equal(server.seen('Service', 'list').length, 1)
    t.strictSame(source.warnings(), [])
  },
)

t.test('410 inside a watch: a new list is applied as a difference', async t => {
  await using server = await serverWith(3)
  await using source = await watching(server)
  using feed = source.store.feed(['Service'])
  feed.take()
  const untouched = source.store.get('Service', 'shop/s1')
  server.inject('Service', 'watch', { stallAfterBytes: 0 })
  server.endWatches('Service')
  await eventually('a deaf watch', () => server.seen('Service', 'watch').length === 2)
  server.delete('Service', 'shop/s0')
  server.set('Service', service('s2', { externalName: 'x' }))
  server.compact()
  server.dropConnections()
  await eventually('s0 gone', () => source.store.get('Service', 'shop/s0') === undefined)
  const batch = feed.take()
  t.strictSame(
    batch?.changes.map(({ key, after }) => [key, after !== undefined]).toSorted(),
    [
      ['shop/s0', false],
      ['shop/s2', true],
    ],
    'only what differs is a change',
  )
  t.equal(source.store.get('Service', 'shop/s1'), untouched, 'an equal object is the same one')
})

t.test('an ERROR event that says expired without 410 is the same', async t => {
  await using server = await serverWith(1)
  await using _source = await watching(server)
  const object = { kind: 'Status', status: 'Failure', reason: 'Expired', message: 'too old' }
  server.write('Service', `${JSON.stringify({ type: 'ERROR', object })}\n`)
  await eventually('a list', () => server.seen('Service', 'list').length === 2)
  t.pass('listed again')
})

t.test('another ERROR event: the watch is tried again from its version', async t => {
  await using server = await serverWith(1)
  await using source = await watching(server)
  server.failWatches('Service', 500, 'InternalError')
  await eventually('the next watch', () => server.watchers('Service') === 1)
  t.equal(server.seen('Service', 'list').length, 1)
  t.strictSame(source.warnings(), ['API server is unavailable; the last state keeps serving'])
})

t.test('a lost server is told once, its return once; the state stays meanwhile', async t => {
  const first = await serverWith(2)
  const { port } = first
  await using source = await watching(first)
  await first[Symbol.asyncDispose]()
  const tries = () => source.log.filter(({ failures }) => failures !== undefined).length
  await eventually('five tries', () => tries() >= 5)
  t.equal(sizeOf(source), 2)
  t.strictSame(source.warnings(), ['API server lost; the last state keeps serving'])
  await using second = await TestApiServer.start({ port })
  second.set('Service', service('s0'))
  second.set('Service', service('s1'))
  second.set('Service', service('s2'))
  await eventually('the new one', () => source.store.get('Service', 'shop/s2'))
  await eventually('the log', () => source.log.some(({ msg }) => msg.endsWith('trouble is over')))
  t.equal(source.warnings().length, 1)
  const [back] = source.log.filter(({ msg }) => msg.endsWith('trouble is over'))
  t.ok(Number(back?.['failures']) >= 5)
})

t.test('a server that is not there at start is waited for', async t => {
  const first = await TestApiServer.start()
  const { port } = first
  await first[Symbol.asyncDispose]()
  await using source = await RunningSource.start({ endpoint: `http://127.0.0.1:${port}` }, services)
  await eventually('a warning', () => source.warnings().length === 1)
  t.notOk(source.store.isSynced('Service'))
  await using server = await TestApiServer.start({ port })
  server.set('Service', service('web'))
  await eventually('the sync', () => source.store.isSynced('Service'))
})

t.test('a half-open connection: silence beyond the bookmarks begins a new watch', async t => {
  await using server = await serverWith(1)
  server.inject('Service', 'watch', { stallAfterBytes: 0 })
  const timing = { watchSilenceMs: 50 }
  await using source = await RunningSource.start({ endpoint: server.url }, services, { timing })
  await eventually('a second watch', () => server.seen('Service', 'watch').length >= 2)
  server.set('Service', service('new'))
  await eventually('new', () => source.store.get('Service', 'shop/new'))
  t.equal(server.seen('Service', 'list').length, 1, 'nothing is listed again')
  t.strictSame(source.warnings(), [], 'a server that merely has no bookmarks is no trouble')
})

t.test(
  'a server that accepts connections and never answers is given up and tried again',
  async t => {
    await using server = await serverWith(1)
    server.inject('Service', 'list', { stallAfterBytes: 10 })
    const timing = { listSilenceMs: 50 }
    await using source = await RunningSource.start({ endpoint: server.url }, services, { timing })
    await eventually('the sync', () => source.store.isSynced('Service'))
    t.match(source.log[0]?.['reason'], /nothing came for 50 ms/)
  },
)

t.test('a list that trickles in for ever is given up', async t => {
  await using server = await serverWith(200)
  server.inject('Service', 'list', { trickleBytes: 1 })
  const timing = { listMs: 20 }
  await using source = await RunningSource.start({ endpoint: server.url }, services, { timing })
  await eventually('the warning', () => source.log.length > 0)
  t.match(source.log[0]?.['reason'], /not done after 20 ms/)
})

t.test('a list that breaks off is asked for again; nothing is taken for gone', async t => {
  await using server = await serverWith(50)
  await using source = await watching(server)
  server.inject('Service', 'list', { dropAfterBytes: 1500 })
  server.compact()
  server.endWatches('Service')
  await eventually('a third list', () => server.seen('Service', 'list').length === 3)
  await eventually('the watch', () => server.watchers('Service') === 1)
  t.equal(sizeOf(source), 50)
})

t.test('a list of another kind, or none, takes nothing away', async t => {
  await using server = await serverWith(2)
  await using source = await watching(server)
  for (const body of ['', '<html>', '{"kind":"Status"}', '{"kind":"NodeList","items":[]}', '[]']) {
    server.inject('Service', 'list', { body })
  }
  server.compact()
  server.endWatches('Service')
  await eventually('a good list', () => server.seen('Service', 'list').length >= 7)
  await eventually('the watch', () => server.watchers('Service') === 1)
  t.equal(sizeOf(source), 2)
  t.strictSame(source.warnings(), ['API server sent what cannot be read; retrying'])
})

t.test('a bad object is left out by name, the others work, its last good state stays', async t => {
  await using server = await serverWith(2)
  server.set('Service', service('bad', { ports: [{ port: 'eighty' }] }))
  await using source = await watching(server)
  t.equal(sizeOf(source), 2)
  t.ok(source.store.isSynced('Service'))
  server.set('Service', service('s0', { ports: 7 }))
  server.set('Service', service('good'))
  await eventually('the good one', () => source.store.get('Service', 'shop/good'))
  t.equal(source.store.get('Service', 'shop/s0')?.clusterIP, '10.96.0.1')
  const told = source.log.filter(({ msg }) => msg === 'object left out')
  t.match(told, [
    { key: 'shop/bad', reason: 'spec.ports[0].port: "eighty" is not a whole number' },
    { key: 'shop/s0', reason: 'spec.ports: 7 is not a list' },
  ])
  server.delete('Service', 'shop/s0')
  await eventually('gone', () => source.store.get('Service', 'shop/s0') === undefined)
})

const garbage: readonly { title: string; line: string }[] = [
  { title: 'no JSON', line: '{"type":"ADD' },
  { title: 'no event', line: '[]' },
  { title: 'an unknown type', line: '{"type":"X","object":{}}' },
  { title: 'no version', line: '{"type":"ADDED","object":{"metadata":{"name":"x"}}}' },
]
for (const { title, line } of garbage) {
  t.test(`a line of a watch that is garbage leads to a new list: ${title}`, async t => {
    await using server = await serverWith(1)
    await using source = await watching(server)
    server.write('Service', `${line}\n`)
    await eventually('a list', () => server.seen('Service', 'list').length === 2)
    await eventually('the watch', () => server.watchers('Service') === 1)
    t.equal(sizeOf(source), 1)
  })
}

t.test('an event that is cut off is no garbage: it comes again with the next watch', async t => {
  await using server = await serverWith(1)
  await using source = await watching(server)
  server.write('Service', '{"type":"ADDED","obj')
  server.endWatches('Service')
  await eventually('the next watch', () => server.seen('Service', 'watch').length === 2)
  t.equal(server.seen('Service', 'list').length, 1)
  t.strictSame(source.warnings(), [])
})

t.test('a server that ends every watch at once is not asked in a loop', async t => {
  await using server = await serverWith(1)
  server.inject('Service', 'watch', { body: '' }, 1000)
  const pauses: number[] = []
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: async (ms: number) => {
      pauses.push(ms)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
  const timing = { retryInitialMs: 100, retryMaxMs: 30_000, settleMs: 60_000 }
  const options = { clock, timing, random: () => 0 }
  await using _source = await RunningSource.start({ endpoint: server.url }, services, options)
  await eventually('eleven pauses', () => pauses.length >= 11)
  t.strictSame(
    pauses.slice(0, 11),
    [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000],
  )
})

t.test('429 with Retry-After: not asked again before that', async t => {
  await using server = await serverWith(1)
  server.inject('Service', 'list', { status: 429, headers: { 'retry-after': '3' } })
  server.inject('Service', 'list', { status: 429, headers: { 'retry-after': 'tomorrow' } })
  server.inject('Service', 'list', { status: 503, headers: { 'retry-after': '3600' } })
  const pauses: number[] = []
  const sleep = async (ms: number) => void pauses.push(ms)
  const clock = { now: () => 0, monotonic: () => 0, sleep }
  const timing = { retryInitialMs: 100, retryMaxMs: 100 }
  const options = { clock, timing, random: () => 0 }
  await using source = await watching(server, options)
  t.strictSame(pauses, [3_100, 100, 60_100])
  t.strictSame(source.warnings(), ['API server is unavailable; the last state keeps serving'])
})

t.test('403: the log says which rule is missing; it is tried again slowly', async t => {
  await using server = await TestApiServer.start()
  server.inject('EndpointSlice', 'list', { status: 403, reason: 'Forbidden' }, 3)
  await using source = await RunningSource.start({ endpoint: server.url }, { EndpointSlice: {} })
  await eventually('the sync', () => source.store.isSynced('EndpointSlice'))
  t.strictSame(source.warnings(), [
    'API server forbids it: the ClusterRole needs apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["list", "watch"]',
  ])
})

const kubernetes: Wanted = { ServiceCIDR: {} }
const cidrs = { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } }

t.test('ServiceCIDRs of a server that has none yet: nobody waits, and they come later', async t => {
  await using server = await TestApiServer.start()
  server.set('ServiceCIDR', cidrs)
  server.inject('ServiceCIDR', 'list', { status: 404, reason: 'NotFound' }, 3)
  await using source = await RunningSource.start({ endpoint: server.url }, kubernetes)
  await eventually('no ServiceCIDRs', () => source.store.isSynced('ServiceCIDR'))
  await eventually('one', () => source.store.get('ServiceCIDR', 'kubernetes'))
  t.strictSame(source.store.get('ServiceCIDR', 'kubernetes')?.cidrs, ['10.96.0.0/12'])
  t.strictSame(source.warnings(), [], 'an older server is no trouble')
})

t.test('without the CRD of ServiceImports the other kinds go on, and the log says so', async t => {
  await using server = await TestApiServer.start()
  server.set('ServiceImport', { metadata: { name: 'db', namespace: 'shop' }, spec: {} })
  server.inject('ServiceImport', 'list', { status: 404, reason: 'NotFound' }, 1)
  const wanted: Wanted = { ServiceImport: {}, Namespace: {} }
  await using source = await RunningSource.start({ endpoint: server.url }, wanted)
  await eventually('both kinds', () => {
    return source.store.isSynced('ServiceImport') && source.store.isSynced('Namespace')
  })
  // The CRD comes.
  await eventually('one', () => source.store.get('ServiceImport', 'shop/db'))
  t.strictSame(source.warnings(), [])
})

t.test('ServiceCIDRs that are forbidden: nobody waits, and the log has the rule', async t => {
  await using server = await TestApiServer.start()
  server.set('ServiceCIDR', cidrs)
  server.inject('ServiceCIDR', 'list', { status: 403, reason: 'Forbidden' }, 3)
  await using source = await RunningSource.start({ endpoint: server.url }, kubernetes)
  await eventually('no ServiceCIDRs', () => source.store.isSynced('ServiceCIDR'))
  await eventually('one', () => source.store.get('ServiceCIDR', 'kubernetes'))
  t.match(source.warnings(), [/apiGroups \["networking.k8s.io"\], resources \["servicecidrs"\]/])
})

t.test('one kind that is forbidden does not hold up the others', async t => {
  await using server = await serverWith(1)
  server.inject('Node', 'list', { status: 403, reason: 'Forbidden' }, 1000)
  await using source = await RunningSource.start(
    { endpoint: server.url },
    { Service: {}, Node: {} },
  )
  await eventually('the sync', () => source.store.isSynced('Service'))
  t.notOk(source.store.isSynced('Node'))
})

t.test('requests are counted with code, method and host', async t => {
  await using server = await serverWith(1)
  server.inject('Service', 'list', { status: 503, headers: { 'retry-after': '0' } })
  server.inject('Service', 'list', { dropAfterBytes: 0 })
  const codes: string[] = []
  const onRequest = (outcome: { code: string; method: string; host: string }) => {
    codes.push(`${outcome.code} ${outcome.method} ${outcome.host === `127.0.0.1:${server.port}`}`)
  }
  await using _source = await watching(server, { onRequest })
  t.strictSame(codes, ['503 GET true', '<error> GET true', '200 GET true', '200 GET true'])
})

t.test('when the signal is aborted every connection is closed', async t => {
  await using server = await serverWith(1)
  const source = await watching(server)
  await source[Symbol.asyncDispose]()
  await eventually('no watch', () => server.watchers('Service') === 0)
  t.pass('closed')
})
