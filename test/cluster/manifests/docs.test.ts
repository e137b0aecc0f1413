import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { manifestSource } from '#cluster/manifests/source.ts'
import { Store } from '#cluster/store.ts'
import { silentLogger } from '#runtime/log.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/manifests.md'), 'utf8')

t.test('the example of docs/manifests.md means what the page says', async t => {
  const [, example = ''] = /```yaml\n([^]*?)```/.exec(page) ?? []
  const store = new Store()
  const abort = new AbortController()
  const options = { wanted: { Service: {}, EndpointSlice: {}, Namespace: {} }, log: silentLogger() }
  const run = manifestSource(t.testdir({ 'web.yaml': example }), options).run(store, abort.signal)
  using feed = store.feed(['EndpointSlice', 'Namespace', 'Service'])
  while ((await feed.next(AbortSignal.timeout(10_000)))?.synced !== true);
  abort.abort()
  await run
  t.equal(store.get('Service', 'shop/web')?.clusterIP, '10.96.0.20')
  t.ok(store.get('Namespace', 'shop'))
  const slices = [...store.list('EndpointSlice')]
  t.match(slices, [{ ports: [{ port: 8080 }], endpoints: [{ addresses: ['10.244.1.5'] }] }])
  t.equal(slices[0]?.endpoints[0]?.conditions.ready, true)
})
