import t from 'tap'
import { painter } from '../../../src/cli/output/colour.ts'
import { outputOption, printAs } from '../../../src/cli/output/formats.ts'
import { table } from '../../../src/cli/output/table.ts'

type Row = { readonly name: string; readonly count?: number; readonly note?: string }
const columns = [
  { title: 'NAME', value: (row: Row) => row.name },
  { title: 'COUNT', value: (row: Row) => row.count },
  { title: 'NOTE', value: (row: Row) => row.note, isWide: true },
]
const rows: readonly Row[] = [{ name: 'a-long-name', count: 3, note: 'x' }, { name: 'b' }]

t.test('table', async t => {
  t.equal(
    table(rows, columns),
    'NAME          COUNT\na-long-name   3\nb             <none>\n',
    'columns are aligned, what is not there is <none>, no blanks end a line',
  )
  t.equal(
    table(rows, columns, { isWide: true }),
    'NAME          COUNT    NOTE\na-long-name   3        x\nb             <none>   <none>\n',
    'wide columns are added by -o wide',
  )
  t.equal(table([], columns), 'NAME   COUNT\n', 'without rows there are the titles')
  t.equal(
    table([{ name: 'a\x1b[2J\nb\x9b' }], [{ title: 'NAME', value: (row: Row) => row.name }]),
    'NAME\na?[2J?b?\n',
    'no value moves the cursor or begins a line',
  )
  t.equal(
    table(rows, [
      { title: 'NAME', value: (row: Row) => row.name, paint: (text: string) => `<<${text}>>` },
      { title: 'COUNT', value: (row: Row) => row.count },
    ]),
    'NAME          COUNT\n<<a-long-name>>   3\n<<b>>             <none>\n',
    'colour does not count as width',
  )
})

t.test('painter', async t => {
  const on = painter({ isTTY: true }, {})
  t.equal(on.severity('FAIL'), '\x1b[31mFAIL\x1b[0m')
  t.equal(on.severity('OK', 'dns'), '\x1b[32mdns\x1b[0m')
  const off: readonly [string, { isTTY?: boolean }, Record<string, string>][] = [
    ['no terminal', {}, {}],
    ['NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }],
    ['TERM=dumb', { isTTY: true }, { TERM: 'dumb' }],
  ]
  for (const [title, stream, env] of off) {
    const paint = painter(stream, env)
    t.equal(paint.severity('WARN') + paint.bold('a') + paint.dim('b'), 'WARNab', `none: ${title}`)
  }
  t.ok(painter({ isTTY: true }, { NO_COLOR: '' }).isOn, 'an empty NO_COLOR says nothing')
})

t.test('formats', async t => {
  const value = { name: 'a', big: 2n ** 64n }
  const toTable = (_: typeof value, { isWide }: { isWide: boolean }) => `table ${isWide}\n`
  t.equal(await printAs(undefined, value, toTable), 'table false\n')
  t.equal(await printAs('wide', value, toTable), 'table true\n')
  t.equal(
    await printAs('json', value, toTable),
    '{\n  "name": "a",\n  "big": "18446744073709551616"\n}\n',
  )
  t.equal(await printAs('yaml', value, toTable), 'name: a\nbig: "18446744073709551616"\n')
  t.strictSame(outputOption(['json']).argChoices, ['json'])
})
