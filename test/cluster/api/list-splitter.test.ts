import fc from 'fast-check'
import t from 'tap'
import { ListSplitter, MAX_OBJECT_BYTES } from '#cluster/api/list-splitter.ts'

/** Pushes a text in pieces of so many bytes. */
function split(text: string, pieceBytes: number): { items: unknown[]; head: unknown } {
  const splitter = new ListSplitter()
  const bytes = Buffer.from(text)
  const items: unknown[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const item of splitter.push(bytes.subarray(at, at + pieceBytes))) {
      items.push(JSON.parse(item))
    }
  }
  return { items, head: splitter.end() }
}

t.test('any list in any pieces gives its items and its head', async () => {
  // JSON.parse, not the property, makes `__proto__` an own key.
  const object = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })
  const lists = fc.record({ head: object, items: fc.array(object), space: fc.nat(2) })
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 50 }), ({ head, items, space }, pieceBytes) => {
      const text = JSON.stringify({ ...head, items }, undefined, space)
      const want = JSON.parse(text) as { items: unknown[] }
      t.strictSame(split(text, pieceBytes), {
        items: want.items,
        head: { ...want, items: [] },
      })
    }),
  )
})

const cases: readonly { title: string; text: string; items: unknown[] }[] = [
  { title: 'no items', text: '{"items":[]}', items: [] },
  { title: 'items that are null', text: '{"items":null}', items: [] },
  { title: 'another array before', text: '{"a":[{"b":1}],"items":[{}]}', items: [{}] },
  { title: 'items deeper down', text: '{"a":{"items":[{"b":1}]},"items":[{}]}', items: [{}] },
  { title: 'a key that ends like items', text: '{"x\\"items":[{"b":1}]}', items: [] },
  {
    title: 'brackets in strings',
    text: '{"items":[{"a":"]}\\"]}"},{}]}',
    items: [{ a: ']}"]}' }, {}],
  },
  { title: 'arrays in items', text: '{"items":[{"a":[[],[1]]}]}', items: [{ a: [[], [1]] }] },
]
for (const { title, text, items } of cases) {
  t.test(title, async t => {
    t.strictSame(split(text, 1).items, items)
    t.strictSame(split(text, 1000).items, items)
  })
}

t.test('a list that ends early is refused', async t => {
  const text = '{"kind":"ServiceList","metadata":{},"items":[{"a":1},{}]}'
  for (let length = 0; length < text.length; length++) {
    t.throws(() => split(text.slice(0, length), 7), { code: 'ERR_API', failure: 'garbage' })
  }
})

t.test('an item, and a head, without end are refused, not kept', async t => {
  const megabyte = Buffer.alloc(1024 * 1024, ' ')
  const fill = (begin: string) => () => {
    const splitter = new ListSplitter()
    splitter.push(Buffer.from(begin))
    for (let i = 0; i <= MAX_OBJECT_BYTES / megabyte.length; i++) splitter.push(megabyte)
  }
  t.throws(fill('{"items":[{'), { message: /an item of the list: longer than 16777216 bytes/ })
  t.throws(fill('{'), { message: /the head of the list: longer than 1048576 bytes/ })
})
