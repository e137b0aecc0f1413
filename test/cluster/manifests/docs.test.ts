import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ManifestError } from '#cluster/manifests/parse-chunk.ts'
import { readManifests } from '#cluster/manifests/read-manifests.ts'
import { manifestSource } from '#cluster/manifests/source.ts'
import { compileWanted } from '#cluster/selection.ts'
import { Sharing } from '#cluster/share.ts'
import { Store } from '#cluster/store.ts'
import { silentLogger } from '#runtime/log.ts'
import { Pace } from '#runtime/pace.ts'

const page = await readFile(join(import.meta.dirname, '../../../docs/manifests.md'), 'utf8')

const [, example = ''] = /```yaml\n([^]*?)```/.exec(page) ?? []

t.test('the example of docs/manifests.md means what the page says', async t => {
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

t.test('the error that the page shows is that of its example with a mistake in it', async t => {
  const reading = readManifests({
    file: 'web.yaml',
    bytes: Buffer.from(example.replace('port: 80,', 'port: "80",')),
    filters: compileWanted({ Service: {} }),
    pace: new Pace(),
    sharing: new Sharing(),
    signal: new AbortController().signal,
  })
  const error = await reading.catch((error: unknown) => error)
  t.ok(
    error instanceof ManifestError && page.includes(JSON.stringify(error.message)),
    String(error),
  )
})
