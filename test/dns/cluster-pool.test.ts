import t from 'tap'
import type { Source, Wanted } from '../../src/cluster/source.ts'
import { clusterPool } from '../../src/dns/cluster-pool.ts'
import { silentLogger } from '../../src/runtime/log.ts'

const SERVICES: Wanted = { Service: {} }

/** A pool and how its sources run: `origin` while running, `origin stopped` behind it. */
function pool() {
  const events: string[] = []
  const sourceOf = async ({ manifests = '' }): Promise<Source> => {
    if (manifests === 'bad') throw new Error('makes no sense')
    return {
      origin: manifests,
      run: (_store, signal) =>
        new Promise(resolve => {
          events.push(manifests)
          signal.addEventListener('abort', () => {
            events.push(`${manifests} stopped`)
            resolve()
          })
        }),
    }
  }
  return { pool: clusterPool({ sourceOf, log: silentLogger() }), events }
}

t.test('equal connections share a store, others have their own', async t => {
  const { pool: clusters, events } = pool()
  const a = await clusters.open({ manifests: 'a' }, SERVICES)
  t.equal(await clusters.open({ manifests: 'a' }, SERVICES), a)
  t.not(await clusters.open({ manifests: 'b' }, SERVICES), a)
  t.not(await clusters.open({ manifests: 'a' }, { Service: {}, Pod: {} }), a)
  t.strictSame(events, ['a', 'b', 'a'])
})

t.test('a store lives on while the next configuration uses it', async t => {
  const { pool: clusters, events } = pool()
  const first = clusters.lease()
  const store = await first.open({ manifests: 'a' }, SERVICES)
  await first.open({ manifests: 'a' }, SERVICES)
  await first.open({ manifests: 'b' }, SERVICES)
  const second = clusters.lease()
  t.equal(await second.open({ manifests: 'a' }, SERVICES), store)
  first[Symbol.dispose]()
  t.strictSame(events, ['a', 'b', 'b stopped'])
  second[Symbol.dispose]()
  t.strictSame(events, ['a', 'b', 'b stopped', 'a stopped'])
})

t.test('a connection that makes no sense is tried again when it is asked for again', async t => {
  const { pool: clusters } = pool()
  await t.rejects(clusters.lease().open({ manifests: 'bad' }, SERVICES) as Promise<unknown>)
  await t.rejects(clusters.lease().open({ manifests: 'bad' }, SERVICES) as Promise<unknown>)
})
