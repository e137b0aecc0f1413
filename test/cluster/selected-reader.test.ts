import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { SelectedKeys } from '#cluster/selected-keys.ts'
import { selectedReader } from '#cluster/selected-reader.ts'
import { type Batch, Store } from '#cluster/store.ts'
import { service } from '../helper/cluster.ts'
import { namespace } from '../helper/zone-cluster.ts'

const never = new AbortController().signal

function selecting() {
  const store = new Store()
  const keys = new SelectedKeys()
  const reader = selectedReader(store, { kinds: new Set(['Service']), keys })
  return { store, keys, reader }
}

const named = (name: string, clusterIP = '10.0.0.1') => service({ name, clusterIP })
const shown = (batch: Batch | undefined) =>
  batch?.changes.map(({ kind, key, before, after }) => {
    const word = before === undefined ? 'new' : after === undefined ? 'gone' : 'changed'
    return `${kind} ${key} ${word}`
  })

t.test('an object is seen while it is there and selected, whichever comes first', async t => {
  const { store, keys, reader } = selecting()
  using feed = reader.feed(['Service', 'Namespace'])
  store.set('Service', named('a'))
  store.set('Namespace', namespace('n'))
  t.strictSame(shown(feed.take()), ['Namespace n new'])
  t.equal(reader.get('Service', 'default/a'), undefined)
  keys.set('Service', named('a'))
  t.strictSame(shown(feed.take()), ['Service default/a new'])
  t.strictSame([...reader.list('Service')], [named('a')])
  keys.set('Service', named('b'))
  t.equal(feed.take(), undefined)
  store.set('Service', named('b'))
  t.strictSame(shown(feed.take()), ['Service default/b new'])
  store.set('Service', named('a', '10.0.0.2'))
  t.strictSame(shown(feed.take()), ['Service default/a changed'])
  keys.delete('Service', 'default/a')
  t.strictSame(shown(feed.take()), ['Service default/a gone'])
  store.delete('Service', 'default/b')
  t.strictSame(shown(feed.take()), ['Service default/b gone'])
})

t.test('it is synced when both are', async t => {
  const { store, keys, reader } = selecting()
  using feed = reader.feed(['Service'])
  store.replaceAll('Service', [named('a')])
  t.equal(feed.take(), undefined)
  t.equal(reader.isSynced('Service'), false)
  const next = feed.next(never)
  await turn()
  keys.replaceAll('Service', [])
  t.match(await next, { synced: true, changes: [] })
  t.equal(reader.isSynced('Service'), true)
})

t.test('a consumer that waits hears of a key alone', async t => {
  const { store, keys, reader } = selecting()
  using feed = reader.feed(['Service'])
  store.set('Service', named('a'))
  const next = feed.next(never)
  await turn()
  keys.set('Service', named('a'))
  t.strictSame(shown(await next), ['Service default/a new'])
})

t.test('what a consumer builds from the feed is what is there and selected', async () => {
  const names = ['a', 'b', 'c']
  const step = fc.tuple(
    fc.constantFrom('store', 'keys', 'take'),
    fc.constantFrom(...names),
    fc.constantFrom('10.0.0.1', '10.0.0.2', undefined),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { store, keys, reader } = selecting()
      using feed = reader.feed(['Service'])
      const built = new Map<string, unknown>()
      const take = () => {
        for (const { key, before, after } of feed.take()?.changes ?? []) {
          if (built.get(key) !== before) return false
          if (after === undefined) built.delete(key)
          else built.set(key, after)
        }
        return true
      }
      for (const [what, name, ip] of steps) {
        const target = what === 'store' ? store : keys
        if (what === 'take') {
          if (!take()) return false
        } else if (ip === undefined) target.delete('Service', `default/${name}`)
        else target.set('Service', named(name, ip))
      }
      if (!take()) return false
      const want = [...reader.list('Service')].map(({ metadata }) => `default/${metadata.name}`)
      return want.sort().join() === [...built.keys()].sort().join()
    }),
    { numRuns: 300, seed: 7 },
  )
})
