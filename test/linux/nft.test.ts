import t from 'tap'
import { nftError } from '#linux/nft.ts'
import { parseNftTable } from '#linux/nft-listing.ts'

const text = 'add table ip x\nadd element ip x m { 1 }\n'
const errors = [
  {
    title: 'of a child, with the command',
    said: '/dev/stdin:2:22-22: Error: Could not process rule: No such file or directory\nadd …',
    want: 'nft: Could not process rule: No such file or directory: add element ip x m { 1 }',
  },
  {
    title: 'of the library',
    said: '<cmdline>:1:11-12: Error: syntax error, unexpected newline\n',
    want: 'nft: syntax error, unexpected newline: add table ip x',
  },
  {
    title: 'about no line in particular',
    said: 'internal:0:0-0: Error: Could not process rule: Operation not permitted\n',
    want: 'nft: Could not process rule: Operation not permitted',
  },
  { title: 'without a place', said: 'Error: No such map\n', want: 'nft: No such map' },
  { title: 'unlike any of these', said: 'out of memory', want: 'nft: out of memory' },
  { title: 'empty', said: '', want: 'nft: no reason given' },
]
for (const { title, said, want } of errors) {
  t.test(`a message ${title}`, async t => t.equal(nftError(said, text).message, want))
}

t.test('a long command is quoted by its head and the place of the fault', async t => {
  const long = `add element ip x m { ${'1, '.repeat(5000)}bad }`
  const { line } = nftError(`/dev/stdin:1:${long.indexOf('bad') + 1}-9: Error: no\n`, long)
  t.match(line, /^add element ip x m .* … bad }$/)
  t.ok((line?.length ?? 0) < 400)
})

t.test('a listing gives handles and rules per chain, and elements as nft writes them', async t => {
  const table = parseNftTable(
    JSON.stringify({
      nftables: [
        { metainfo: { version: '1.0.6' } },
        { table: { family: 'ip', name: 'x' } },
        {
          map: {
            name: 'vips',
            elem: [
              [
                { elem: { val: { concat: ['10.0.0.1', 'tcp', 80] }, counter: { packets: 1 } } },
                '0:1f',
              ],
            ],
          },
        },
        {
          map: {
            name: 'lb',
            elem: [
              ['0:1', { goto: { target: 'lb-2' } }],
              ['0:2', { drop: null }],
            ],
          },
        },
        { set: { name: 'ips', elem: ['10.0.0.1', { concat: ['10.0.0.1', '10.0.0.1'] }] } },
        { set: { name: 'empty' } },
        { chain: { name: 'a', handle: 1 } },
        { chain: { name: 'b', handle: 4 } },
        { rule: { chain: 'a', handle: 5, expr: [] } },
        { rule: { chain: 'a', handle: 2, expr: [] } },
      ],
    }),
  )
  t.strictSame(
    [...table.chains],
    [
      ['a', { handle: 1, rules: 2, lastRule: 5 }],
      ['b', { handle: 4, rules: 0, lastRule: 0 }],
    ],
  )
  t.strictSame(
    Object.fromEntries([...table.elements].map(([name, map]) => [name, Object.fromEntries(map)])),
    {
      vips: { '10.0.0.1 . tcp . 80': '0:1f' },
      lb: { '0:1': 'goto lb-2', '0:2': 'drop' },
      ips: { '10.0.0.1': '', '10.0.0.1 . 10.0.0.1': '' },
      empty: {},
    },
  )
})

t.test('a listing gives prefixes in keys, and entries that expire, as nft writes them', async t => {
  const prefix = { prefix: { addr: '10.0.0.0', len: 8 } }
  const expiring = { elem: { val: { concat: ['1.1.1.1', '0:1'] }, timeout: 60, expires: 59 } }
  const { elements } = parseNftTable(
    JSON.stringify({
      nftables: [
        { set: { name: 'ranges', elem: [{ concat: ['192.0.2.1', 'tcp', 80, prefix] }] } },
        { map: { name: 'clients', elem: [[expiring, { concat: ['10.0.0.1', 80] }]] } },
      ],
    }),
  )
  t.strictSame([...(elements.get('ranges') ?? [])], [['192.0.2.1 . tcp . 80 . 10.0.0.0/8', '']])
  t.strictSame([...(elements.get('clients') ?? [])], [['1.1.1.1 . 0:1', '10.0.0.1 . 80']])
})

t.test('a listing that is no JSON is of nothing we made', async t => {
  t.equal(parseNftTable('{"nftables": [{"table": {"flags": ').chains.size, 0)
})
