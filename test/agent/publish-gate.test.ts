import t from 'tap'
import { PublishGate } from '#agent/publish-gate.ts'
import { objectFromApi } from '#cluster/from-api.ts'
import { type Batch, type Feed, Store } from '#cluster/store.ts'

const service = (name: string, clusterIP: string, type = 'ClusterIP') =>
  objectFromApi('Service', { metadata: { name, namespace: 'a' }, spec: { type, clusterIP } })
const slice = (name: string) =>
  objectFromApi('EndpointSlice', { metadata: { name, namespace: 'a' }, addressType: 'IPv4' })

const names = (batch: Batch | undefined) =>
  batch?.changes.map(({ key, after }) => `${after === undefined ? '-' : '+'}${key}`)

function setUp() {
  const store = new Store()
  const gate = new PublishGate(store)
  return { store, gate, feed: gate.reader().feed(['Service', 'EndpointSlice']) }
}

async function expectSilence(feed: Feed): Promise<boolean> {
  const controller = new AbortController()
  const next = feed.next(controller.signal).then(
    () => false,
    () => true,
  )
  await new Promise(resolve => setImmediate(() => setImmediate(() => setImmediate(resolve))))
  controller.abort()
  return next
}

t.test('a ClusterIP Service waits for the proxy; headless ones and slices do not', async t => {
  const { store, gate, feed } = setUp()
  store.set('Service', service('web', '10.96.0.1'))
  store.set('Service', service('db', 'None'))
  store.set('EndpointSlice', slice('web-1'))
  t.strictSame(names(feed.take()), ['+a/db', '+a/web-1'])
  t.equal(feed.take(), undefined)
  gate.programmed(4, store.revision)
  t.strictSame(names(feed.take()), ['+a/web'])
})

t.test('a programmed revision before the change does not release it', async t => {
  const { store, gate, feed } = setUp()
  gate.programmed(4, store.revision)
  store.set('Service', service('web', '10.96.0.1'))
  t.equal(feed.take(), undefined)
  gate.programmed(4, store.revision - 1)
  t.equal(feed.take(), undefined)
})

t.test('only the families of its addresses hold a Service', async t => {
  const { store, gate, feed } = setUp()
  store.set('Service', service('six', 'fd00:96::1'))
  gate.programmed(4, store.revision)
  t.equal(feed.take(), undefined)
  gate.programmed(6, store.revision)
  t.strictSame(names(feed.take()), ['+a/six'])
})

t.test('a waiting consumer is woken when the proxy catches up', async t => {
  const { store, gate, feed } = setUp()
  store.set('Service', service('web', '10.96.0.1'))
  t.ok(await expectSilence(feed))
  const next = feed.next(AbortSignal.timeout(5_000))
  gate.programmed(4, store.revision)
  t.strictSame(names(await next), ['+a/web'])
})

t.test(
  'a deletion passes at once, and one of a Service that was never shown is not told',
  async t => {
    const { store, gate, feed } = setUp()
    store.set('Service', service('web', '10.96.0.1'))
    gate.programmed(4, store.revision)
    feed.take()
    store.delete('Service', 'a/web')
    t.strictSame(names(feed.take()), ['-a/web'])
    store.set('Service', service('new', '10.96.0.2'))
    feed.take()
    store.delete('Service', 'a/new')
    t.equal(feed.take(), undefined)
  },
)

t.test('while an address change waits, the old address stays published', async t => {
  const { store, gate, feed } = setUp()
  store.set('Service', service('web', '10.96.0.1'))
  gate.programmed(4, store.revision)
  feed.take()
  store.set('Service', service('web', '10.96.0.9'))
  t.equal(feed.take(), undefined)
  gate.programmed(4, store.revision)
  const change = feed.take()?.changes[0]
  t.match(change, { before: { clusterIP: '10.96.0.1' }, after: { clusterIP: '10.96.0.9' } })
})

t.test('other changes of a published Service pass at once', async t => {
  const { store, gate, feed } = setUp()
  store.set('Service', service('web', '10.96.0.1'))
  gate.programmed(4, store.revision)
  feed.take()
  store.set('Service', service('web', '10.96.0.1', 'NodePort'))
  t.strictSame(names(feed.take()), ['+a/web'])
})

t.test('synced only once the first full list has passed the gate', async t => {
  const { store, gate, feed } = setUp()
  store.replaceAll('Service', [service('web', '10.96.0.1')])
  store.replaceAll('EndpointSlice', [slice('web-1')])
  t.match(feed.take(), { synced: false })
  gate.programmed(4, store.revision)
  t.match(feed.take(), { synced: true })
  store.set('Service', service('later', '10.96.0.3'))
  t.equal(feed.take(), undefined)
  store.set('EndpointSlice', slice('web-2'))
  t.match(feed.take(), { synced: true }, 'never becomes false again')
})
