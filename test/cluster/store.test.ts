import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { type Kind, keyOf, type Namespace, type Node } from '#cluster/objects.ts'
import { type Batch, Store } from '#cluster/store.ts'

const namespace = (name: string, value = ''): Namespace => ({
  kind: 'Namespace',
  metadata: { name, namespace: '', labels: { value } },
})
const node = (name: string): Node => ({
  kind: 'Node',
  metadata: { name, namespace: '', labels: {} },
  addresses: [],
  podCIDRs: [],
  taints: [],
  deleting: false,
})

const never = new AbortController().signal

/** `key: before → after` of each change, by the label `value`. */
const shown = (batch: Batch | undefined) =>
  batch?.changes.map(({ key, before, after }) => {
    const value = (object: typeof before) => object?.metadata.labels['value'] ?? 'none'
    return `${key}: ${value(before)} → ${value(after)}`
  })

t.test('the store gives what was set, by key and as a list', async t => {
  const store = new Store()
  store.set('Namespace', namespace('a', '1'))
  store.set('Namespace', namespace('a', '2'))
  store.set('Namespace', namespace('b', '1'))
  store.delete('Namespace', 'b')
  store.delete('Namespace', 'never there')
  t.strictSame(store.get('Namespace', 'a'), namespace('a', '2'))
  t.strictSame([...store.list('Namespace')], [namespace('a', '2')])
  t.strictSame([...store.list('Node')], [])
})

t.test('an equal object is no change, and the stored one stays', async t => {
  const store = new Store()
  const first = namespace('a', '1')
  store.set('Namespace', first)
  const { revision } = store
  store.set('Namespace', namespace('a', '1'))
  t.equal(store.get('Namespace', 'a'), first)
  t.equal(store.revision, revision)
})

t.test('a complete list: what it lacks is gone, equal objects are untouched', async t => {
  const store = new Store()
  for (const name of ['a', 'b', 'c']) store.set('Namespace', namespace(name, '1'))
  using feed = store.feed(['Namespace'])
  feed.take()
  store.replaceAll('Namespace', [namespace('a', '1'), namespace('b', '2'), namespace('d', '1')])
  const batch = feed.take()
  t.strictSame(shown(batch)?.sort(), ['b: 1 → 2', 'c: 1 → none', 'd: none → 1'].sort())
})

t.test('a feed first yields all that is there, of its kinds', async t => {
  const store = new Store()
  store.set('Namespace', namespace('a', '1'))
  store.set('Node', node('n1'))
  using feed = store.feed(['Namespace'])
  t.strictSame(shown(feed.take()), ['a: none → 1'])
  store.set('Node', node('n2'))
  t.equal(feed.take(), undefined)
})

const merges: readonly {
  title: string
  values: readonly (string | undefined)[]
  want: string[] | undefined
}[] = [
  { title: 'two changes', values: ['2', '3'], want: ['a: 1 → 3'] },
  { title: 'back to what it was', values: ['2', '1'], want: undefined },
  { title: 'gone', values: ['2', undefined], want: ['a: 1 → none'] },
  { title: 'gone and back again as it was', values: [undefined, '1'], want: undefined },
  { title: 'gone and back again as another', values: [undefined, '2'], want: ['a: 1 → 2'] },
  { title: 'away and back and away', values: ['2', '1', '2'], want: ['a: 1 → 2'] },
]
for (const { title, values, want } of merges) {
  t.test(`changes between two reads merge: ${title}`, async t => {
    const store = new Store()
    store.set('Namespace', namespace('a', '1'))
    using feed = store.feed(['Namespace'])
    feed.take()
    for (const value of values) {
      if (value === undefined) store.delete('Namespace', 'a')
      else store.set('Namespace', namespace('a', value))
    }
    t.strictSame(shown(feed.take()), want)
  })
}

t.test('an object that comes and goes between two reads was never there', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  store.set('Namespace', namespace('a'))
  store.delete('Namespace', 'a')
  t.equal(feed.take(), undefined)
})

t.test('kinds may have objects of the same name', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace', 'Node'])
  store.set('Namespace', namespace('a', '1'))
  store.set('Node', node('a'))
  store.delete('Node', 'a')
  t.strictSame(shown(feed.take()), ['a: none → 1'])
})

t.test('each feed has its own view', async t => {
  const store = new Store()
  using first = store.feed(['Namespace'])
  using second = store.feed(['Namespace'])
  store.set('Namespace', namespace('a', '1'))
  first.take()
  store.set('Namespace', namespace('a', '2'))
  t.strictSame(shown(first.take()), ['a: 1 → 2'])
  t.strictSame(shown(second.take()), ['a: none → 2'])
})

t.test(
  'synced: when all kinds were listed; that batch comes even when it is empty, and once',
  async t => {
    const store = new Store()
    using feed = store.feed(['Namespace', 'Node'])
    store.replaceAll('Namespace', [namespace('a')])
    t.match(feed.take(), { synced: false, changes: [{ key: 'a' }] })
    t.equal(feed.take(), undefined)
    store.replaceAll('Node', [])
    t.match(feed.take(), { synced: true, changes: [] })
    t.equal(feed.take(), undefined)
    store.replaceAll('Node', [])
    t.equal(feed.take(), undefined)
    t.ok(store.isSynced('Node'))
  },
)

t.test('a feed that is made after the first listing learns of it', async t => {
  const store = new Store()
  store.replaceAll('Node', [])
  using feed = store.feed(['Node'])
  t.match(feed.take(), { synced: true, changes: [] })
})

t.test('the revision grows with each change, and a batch leads up to it', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  store.set('Namespace', namespace('a', '1'))
  store.set('Namespace', namespace('a', '2'))
  t.equal(store.revision, 2)
  t.equal(feed.take()?.revision, 2)
})

t.test('waiting: changes of one turn of the event loop come as one batch', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const next = feed.next(never)
  await turn()
  store.set('Namespace', namespace('a', '1'))
  store.set('Namespace', namespace('b', '1'))
  t.strictSame(shown(await next), ['a: none → 1', 'b: none → 1'])
})

t.test('waiting: ends with the first listing, also an empty one', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const next = feed.next(never)
  await turn()
  store.replaceAll('Namespace', [])
  t.match(await next, { synced: true, changes: [] })
})

t.test('waiting: goes on when what woke it was undone in the same turn', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const next = feed.next(never)
  await turn()
  store.set('Namespace', namespace('a', '1'))
  store.delete('Namespace', 'a')
  await turn()
  await turn()
  store.set('Namespace', namespace('b', '1'))
  t.strictSame(shown(await next), ['b: none → 1'])
})

t.test('waiting: rejects when the signal is aborted, and loses nothing by it', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const abort = new AbortController()
  const next = feed.next(abort.signal)
  await turn()
  const reason = new Error('enough')
  abort.abort(reason)
  await t.rejects(next, reason)
  await t.rejects(feed.next(abort.signal), reason)
  store.set('Namespace', namespace('a', '1'))
  t.strictSame(shown(await feed.next(never)), ['a: none → 1'])
})

t.test('waiting: an abort in the turn that it gave away rejects too', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const abort = new AbortController()
  const next = feed.next(abort.signal)
  abort.abort()
  await t.rejects(next, { name: 'AbortError' })
})

t.test('waiting leaves no listener on the signal', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const abort = new AbortController()
  let listeners = 0
  const { signal } = abort
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  for (const name of ['a', 'b', 'c']) {
    const next = feed.next(signal)
    await turn()
    await turn()
    store.set('Namespace', namespace(name))
    await next
  }
  t.equal(listeners, 0)
})

t.test('a disposed feed: who waits gets undefined, and nothing is kept for it', async t => {
  const store = new Store()
  const feed = store.feed(['Namespace'])
  const next = feed.next(never)
  await turn()
  store.set('Namespace', namespace('a'))
  feed[Symbol.dispose]()
  store.set('Namespace', namespace('b'))
  t.equal(await next, undefined)
  t.equal(await feed.next(never), undefined)
  t.equal(feed.take(), undefined)
})

t.test('one consumer at a time: a second one that waits is refused', async t => {
  const store = new Store()
  using feed = store.feed(['Namespace'])
  const first = feed.next(never)
  await turn()
  await t.rejects(feed.next(never), /already/)
  store.set('Namespace', namespace('a', '1'))
  t.strictSame(shown(await first), ['a: none → 1'])
})

type Step =
  | { readonly do: 'set'; readonly key: string; readonly value: string }
  | { readonly do: 'delete'; readonly key: string }
  | { readonly do: 'replace'; readonly values: Readonly<Record<string, string>> }
  | { readonly do: 'take' }
const key = fc.constantFrom('a', 'b', 'c')
const value = fc.constantFrom('1', '2')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key, value }),
  fc.record({ do: fc.constant('delete' as const), key }),
  fc.record({ do: fc.constant('replace' as const), values: fc.dictionary(key, value) }),
  fc.record({ do: fc.constant('take' as const) }),
)

function perform(store: Store, step: Exclude<Step, { do: 'take' }>): void {
  if (step.do === 'set') store.set('Namespace', namespace(step.key, step.value))
  else if (step.do === 'delete') store.delete('Namespace', step.key)
  else {
    const objects = Object.entries(step.values).map(([name, value]) => namespace(name, value))
    store.replaceAll('Namespace', objects)
  }
}

/** Applies a batch to what a consumer has seen; throws where the batch says something untrue about it. */
function apply(seen: Map<string, string>, batch: Batch | undefined): void {
  for (const { key, before, after } of batch?.changes ?? []) {
    const [was, is] = [before, after].map(object => object?.metadata.labels['value'])
    if (seen.get(key) !== was) throw new Error(`${key} was ${seen.get(key)}, not ${was}`)
    if (was === is) throw new Error(`${key} did not change`)
    if (is === undefined) seen.delete(key)
    else seen.set(key, is)
  }
}

t.test('whatever happens, a consumer that applies its batches has what the store has', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(5), (steps, joinsAfter) => {
      const store = new Store()
      let feed = store.feed(['Namespace'])
      const seen = new Map<string, string>()
      let revision = 0
      const check = () => {
        const batch = feed.take()
        apply(seen, batch)
        if (batch !== undefined && batch.revision < revision) throw new Error('revision went back')
        revision = batch?.revision ?? revision
        const stored = [...store.list('Namespace')]
        const isEqual = stored.every(it => seen.get(keyOf(it)) === it.metadata.labels['value'])
        if (!isEqual || stored.length !== seen.size) throw new Error('not what the store has')
      }
      steps.forEach((step, index) => {
        if (index === joinsAfter) {
          // A consumer may also come late.
          feed[Symbol.dispose]()
          feed = store.feed(['Namespace'])
          seen.clear()
        }
        if (step.do === 'take') check()
        else perform(store, step)
      })
      check()
    }),
  )
})

t.test('every kind has its place', async t => {
  const kinds: readonly Kind[] = ['Service', 'EndpointSlice', 'Node', 'Namespace', 'Pod']
  const store = new Store()
  using feed = store.feed(kinds)
  for (const kind of kinds) store.replaceAll(kind, [])
  t.match(feed.take(), { synced: true })
})
