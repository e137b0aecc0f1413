import t, { type Test } from 'tap'
import { manifestSource } from '#cluster/manifests/source.ts'
import type { Kind } from '#cluster/objects.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import { silentLogger } from '#runtime/log.ts'
import { eventually } from '../../helper/eventually.ts'

const everything: Wanted = { Service: {}, EndpointSlice: {}, Node: {}, Namespace: {}, Pod: {} }

/** Runs a source over `directory` until the test ends; resolves when the first listing is in the store. */
async function started(t: Test, directory: string, wanted: Wanted = everything): Promise<Store> {
  const store = new Store()
  const abort = new AbortController()
  const timing = { settleMs: 5, maxSettleMs: 100, pollMs: 50 }
  const run = manifestSource(directory, { wanted, log: silentLogger() }, timing).run(
    store,
    abort.signal,
  )
  t.teardown(async () => {
    abort.abort()
    await run
  })
  await eventually('the first listing', () =>
    (Object.keys(wanted) as Kind[]).every(kind => store.isSynced(kind)),
  )
  return store
}

t.test('objects of YAML and JSON files are in the store, with the namespaces they use', async t => {
  const store = await started(
    t,
    t.testdir({
      'web.yaml': [
        'apiVersion: v1',
        'kind: Service',
        'metadata: { name: web, namespace: shop }',
        'spec: { clusterIP: 10.96.0.1, ports: [{ port: 80 }] }',
        '---',
        'apiVersion: apps/v1',
        'kind: Deployment',
        'metadata: { name: web, namespace: elsewhere }',
      ].join('\n'),
      'node.json': JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }),
      'README.md': 'not: [a manifest',
    }),
  )
  t.equal(store.get('Service', 'shop/web')?.clusterIP, '10.96.0.1')
  t.ok(store.get('Node', 'n1'))
  t.strictSame(
    [...store.list('Namespace')].map(({ metadata }) => metadata.name),
    ['shop'],
  )
})
