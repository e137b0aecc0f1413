import fc from 'fast-check'
import t from 'tap'
import type { Entry } from '#dns/policy/entry.ts'
import {
  MAX_RESOLV_CONF_BYTES,
  type NodeResolver,
  parseResolvConf,
  ResolvConfError,
  renderResolvConf,
} from '#dns/policy/resolv-conf.ts'

const values = ({ nameservers, searches, options }: NodeResolver) => ({
  nameservers: nameservers.map(({ value }) => value),
  searches: searches.map(({ value }) => value),
  options: options.map(({ value }) => value),
})

const none = { nameservers: [], searches: [], options: [] }

const cases: readonly { title: string; text: string; want: Partial<ReturnType<typeof values>> }[] =
  [
    { title: 'an empty file', text: '', want: {} },
    {
      title: 'blanks around a line and between its words do not matter',
      text: ' \t nameserver \t 10.0.0.1  \r\n',
      want: { nameservers: ['10.0.0.1'] },
    },
    {
      title: '# at the start of a line is a comment, also after blanks',
      text: '#nameserver 10.0.0.1\n  # search a\n# nameserver',
      want: {},
    },
    {
      title: '; starts no comment: such lines are only unknown',
      text: ';nameserver 10.0.0.1\n; nameserver\nnameserver 10.0.0.2',
      want: { nameservers: ['10.0.0.2'] },
    },
    {
      title: 'nameserver lines add up, duplicates too, the rest of each is ignored',
      text: 'nameserver 10.0.0.2 10.0.0.3 # x\nnameserver fd00::1\nnameserver 10.0.0.2\nnameserver 10.0.0.4\n',
      want: { nameservers: ['10.0.0.2', 'fd00::1', '10.0.0.2', '10.0.0.4'] },
    },
    {
      title: 'nameservers are not checked',
      text: 'nameserver dns.test',
      want: { nameservers: ['dns.test'] },
    },
    {
      title: 'the last search line wins',
      text: 'search a.test b.test\nsearch c.test',
      want: { searches: ['c.test'] },
    },
    {
      title: 'an empty search line wins as well',
      text: 'search a.test\nsearch',
      want: { searches: [] },
    },
    {
      title: 'a lone dot is dropped from searches, one trailing dot is removed, duplicates stay',
      text: 'search . a.test. b.test.. a.test',
      want: { searches: ['a.test', 'b.test.', 'a.test'] },
    },
    {
      title: 'options of all lines merge by the part before the colon, later wins',
      text: 'options ndots:1 rotate timeout:3\noptions ndots:2 ndots:7 edns0 rotate\n',
      want: { options: ['ndots:7', 'rotate', 'timeout:3', 'edns0'] },
    },
    {
      title: 'domain, sortlist and unknown words are ignored, keywords are case-sensitive',
      text: 'domain a.test\nsortlist 10.0.0.0\nwhatever\nNameserver 10.0.0.1\nSEARCH b.test',
      want: {},
    },
    {
      title: 'a byte order mark is no blank, so its line is unknown',
      text: '\uFEFFnameserver 10.0.0.1\nnameserver 10.0.0.2',
      want: { nameservers: ['10.0.0.2'] },
    },
  ]
for (const { title, text, want } of cases) {
  t.test(title, async t => t.strictSame(values(parseResolvConf(text)), { ...none, ...want }))
}

t.test('a nameserver line without an address is an error with its line', async t => {
  t.throws(() => parseResolvConf('search a\nnameserver  \n'), { line: 2, code: 'ERR_RESOLV_CONF' })
})

t.test('10 MiB are read, a byte more is an error', async t => {
  const comment = `#${' '.repeat(MAX_RESOLV_CONF_BYTES - 1)}`
  t.strictSame(values(parseResolvConf(comment)), none)
  t.throws(() => parseResolvConf(`${comment} `), ResolvConfError)
})

t.test('every entry knows its line', async t => {
  const { nameservers, options } = parseResolvConf('# x\nnameserver 10.0.0.1\noptions a\noptions a')
  t.strictSame(nameservers[0]?.origin, { from: 'node-file', line: 2 })
  t.strictSame(options[0]?.origin, { from: 'node-file', line: 4 })
})

const entries = (...list: readonly string[]): readonly Entry[] =>
  list.map(value => ({ value, origin: { from: 'cluster-default' } }))

t.test('rendered: search, nameserver lines, options', async t => {
  t.equal(
    renderResolvConf({
      nameservers: entries('10.96.0.10', 'fd00::a'),
      searches: entries('a.test', 'b.test'),
      options: entries('ndots:5', 'edns0'),
    }),
    'search a.test b.test\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5 edns0\n',
  )
})

t.test('rendered: absent lists leave no line', async t => {
  t.equal(renderResolvConf({ ...none, nameservers: entries('::1') }), 'nameserver ::1\n')
  t.equal(renderResolvConf({ ...none, options: entries('rotate') }), 'options rotate\n')
  t.equal(renderResolvConf(none), '')
})

t.test('what is rendered reads back the same', async t => {
  const word = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}[a-z0-9]$/)
  const words = fc.array(word, { maxLength: 5 })
  fc.assert(
    fc.property(words, words, fc.uniqueArray(word, { maxLength: 5 }), (a, b, c) => {
      const text = renderResolvConf({
        nameservers: entries(...a),
        searches: entries(...b),
        options: entries(...c),
      })
      t.strictSame(values(parseResolvConf(text)), { nameservers: a, searches: b, options: c })
    }),
    { numRuns: 50 },
  )
})
