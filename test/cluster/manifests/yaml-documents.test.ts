import fc from 'fast-check'
import t from 'tap'
import { parseAllDocuments, parseDocument, stringify } from 'yaml'
import { type Chunk, yamlDocuments } from '#cluster/manifests/yaml-documents.ts'

const chunksOf = (text: string): readonly Chunk[] =>
  [...yamlDocuments(Buffer.from(text))].filter(chunk => chunk !== undefined)

const cases: readonly {
  title: string
  text: string
  want: readonly (readonly [number, unknown])[]
}[] = [
  { title: 'an empty file', text: '', want: [] },
  { title: 'comments alone', text: '# nothing\n\n  # here\n', want: [] },
  { title: 'one document without markers', text: 'a: 1', want: [[1, { a: 1 }]] },
  {
    title: 'no newline at the end',
    text: 'a: 1\n---\nb: 2',
    want: [
      [1, { a: 1 }],
      [2, { b: 2 }],
    ],
  },
  { title: 'empty documents', text: '---\n---\n# x\n---\na: 1\n---\n', want: [[4, { a: 1 }]] },
  {
    title: 'Windows line ends',
    text: 'a: 1\r\n---\r\nb: 2\r\n',
    want: [
      [1, { a: 1 }],
      [2, { b: 2 }],
    ],
  },
  {
    title: 'content on the line of the marker',
    text: '--- {a: 1}\n--- # x\nb: 2\n',
    want: [
      [1, { a: 1 }],
      [2, { b: 2 }],
    ],
  },
  {
    title: 'the end marker',
    text: 'a: 1\n...\n---\nb: 2\n...\n',
    want: [
      [1, { a: 1 }],
      [3, { b: 2 }],
    ],
  },
  { title: 'directives', text: '%YAML 1.2\n---\na: 1\n', want: [[2, { a: 1 }]] },
  {
    title: 'dashes that are no marker',
    text: 'a: |\n  ---\n  x\nb: ----\n',
    want: [[1, { a: '---\nx\n', b: '----' }]],
  },
]
for (const { title, text, want } of cases) {
  t.test(`documents: ${title}`, async t => {
    const found = chunksOf(text).map(chunk => [chunk.line, parseDocument(chunk.text).toJS()])
    t.strictSame(found, want)
  })
}

const padding = 'x'.repeat(20_000)
const lists: readonly { title: string; text: string; lines: readonly number[] }[] = [
  {
    title: 'as kubectl prints it',
    text: `apiVersion: v1\nitems:\n- a: ${padding}\n  b:\n  - c\n- a: 2\nkind: List\nmetadata:\n  x: ""\n`,
    lines: [3, 6],
  },
  {
    title: 'indented, with comments and blank lines',
    text: `kind: List\nitems: # all\n\n  # first\n  - a: ${padding}\n\n# between\n  - a: |\n      - b\n     \n`,
    lines: [5, 8],
  },
  {
    title: 'with the & of shells and texts',
    text: `kind: List\nitems:\n- a: ${padding} && b &>/dev/null; x & y\n- b: this &that\n`,
    lines: [3, 4],
  },
  {
    title: 'after a marker',
    text: `b: 1\n---\nkind: List\nitems:\n-\n  a: ${padding}\n- a: 2\n`,
    lines: [1, 5, 7],
  },
]
for (const { title, text, lines } of lists) {
  t.test(`a large list is cut into its items: ${title}`, async t => {
    const chunks = chunksOf(text)
    t.strictSame(
      chunks.map(({ line }) => line),
      lines,
    )
    const items = chunks.filter(({ list }) => list !== undefined)
    const whole = parseAllDocuments(text).at(-1)?.toJS() as { items: unknown[] }
    t.strictSame(
      items.map(chunk => (parseDocument(chunk.text).toJS() as unknown[])[0]),
      whole.items,
    )
    t.match(parseDocument(items[0]?.list?.text ?? '').toJS(), { kind: 'List' })
  })
}

const notCut: readonly { title: string; text: string }[] = [
  { title: 'aliases may cross items', text: `kind: List\nitems:\n- &x { a: ${padding} }\n- *x\n` },
  { title: 'items in flow style', text: `kind: List\nitems: [{ a: ${padding} }]\n` },
  { title: 'items that are no list', text: `kind: List\nitems:\n  a: ${padding}\n` },
  { title: 'no items', text: `kind: ConfigMap\ndata:\n  items:\n  - ${padding}\n` },
]
for (const { title, text } of notCut) {
  t.test(`a large document stays whole: ${title}`, async t => {
    t.strictSame(chunksOf(text), [{ text, line: 1 }])
  })
}

const value = fc.letrec(tie => ({
  leaf: fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant('--- \n---\n- x'),
  ),
  node: fc.oneof(
    { maxDepth: 3 },
    tie('leaf'),
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('node'), { maxKeys: 3 }),
  ),
})).node

t.test('what is cut and parsed is what the whole parses to', async () => {
  fc.assert(
    fc.property(fc.array(fc.record({ k: value }), { maxLength: 4 }), documents => {
      const text = documents
        .map(document => `---\n${stringify(document, { aliasDuplicateObjects: false })}`)
        .join('')
      const found = chunksOf(text).map(chunk => parseDocument(chunk.text).toJS() as unknown)
      const whole =
        text === '' ? [] : parseAllDocuments(text).map(document => document.toJS() as unknown)
      return JSON.stringify(found) === JSON.stringify(whole)
    }),
  )
})

t.test('the items of a list that was cut are those of the whole', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ k: value }), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (items, indentSeq) => {
        const list = { kind: 'List', items: [{ k: padding }, ...items], last: 'x' }
        const text = stringify(list, { aliasDuplicateObjects: false, indentSeq })
        // Text that looks like an anchor keeps a document whole.
        fc.pre(!text.includes('&'))
        const found = chunksOf(text).map(
          chunk => (parseDocument(chunk.text).toJS() as unknown[])[0],
        )
        return (
          JSON.stringify(found) ===
          JSON.stringify((parseDocument(text).toJS() as typeof list).items)
        )
      },
    ),
  )
})
