import fc from 'fast-check'
import t from 'tap'
import { jsonDocuments } from '#cluster/manifests/json-documents.ts'
import type { Chunk } from '#cluster/manifests/yaml-documents.ts'

const chunksOf = (text: string): readonly Chunk[] =>
  [...jsonDocuments(Buffer.from(text))].filter(chunk => chunk !== undefined)

const cases: readonly {
  title: string
  text: string
  want: readonly (readonly [number, string])[]
}[] = [
  { title: 'an empty file', text: ' \n', want: [] },
  {
    title: 'one document',
    text: '\n{"a": [1, {"b": "]}"}]}\n',
    want: [[2, '{"a": [1, {"b": "]}"}]}']],
  },
  {
    title: 'several, with and without blanks',
    text: '{}{"a":1}\n\n{"b":"\\\\"} true 12',
    want: [
      [1, '{}'],
      [1, '{"a":1}'],
      [3, '{"b":"\\\\"}'],
      [3, 'true'],
      [3, '12'],
    ],
  },
  {
    title: 'a list: its items',
    text: '{"kind":"List",\n"items": [ {"a":1},\n{"a":"}"} ], "x": 1}',
    want: [
      [2, '{"a":1}'],
      [3, '{"a":"}"}'],
    ],
  },
  { title: 'an empty list', text: '{"items": []}', want: [] },
  {
    title: 'malformed: all of it',
    text: '{"items": [{"a":1}, {]}',
    want: [[1, '{"items": [{"a":1}, {]}']],
  },
  { title: 'cut off: all of it', text: '{"items": [{"a":1}', want: [[1, '{"items": [{"a":1}']] },
  { title: 'cut off in a string', text: '{"a": "b', want: [[1, '{"a": "b']] },
  {
    title: 'closed too often',
    text: '{}}',
    want: [
      [1, '{}'],
      [1, '}'],
    ],
  },
]
for (const { title, text, want } of cases) {
  t.test(`documents: ${title}`, async t => {
    t.strictSame(
      chunksOf(text).map(chunk => [chunk.line, chunk.text]),
      want,
    )
  })
}

t.test('the rest of a list is kept as its header', async t => {
  const [chunk] = chunksOf('{"apiVersion": "v1", "items": [{"a": 1}], "kind": "ServiceList"}')
  t.strictSame(JSON.parse(chunk?.list?.text ?? ''), {
    apiVersion: 'v1',
    items: [],
    kind: 'ServiceList',
  })
})

t.test('what is cut and parsed is what the whole parses to', async () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (values, indent) => {
      const objects = values.map(value => ({ value }))
      const list = JSON.stringify({ kind: 'List', items: objects }, null, indent)
      const stream = objects.map(object => JSON.stringify(object, null, indent)).join('\n')
      return [list, stream].every(text => {
        const found = chunksOf(text).map(chunk => JSON.parse(chunk.text) as unknown)
        return JSON.stringify(found) === JSON.stringify(objects)
      })
    }),
  )
})

t.test('any bytes at all are cut without losing any', async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', '1', '\n') }),
      text => {
        const kept = chunksOf(text).map(chunk => chunk.list?.text ?? chunk.text)
        // Lists keep their items apart: here only that nothing runs on for ever is promised.
        return text.includes('[') || kept.join('').replace(/\s/g, '') === text.replace(/\s/g, '')
      },
    ),
  )
})
