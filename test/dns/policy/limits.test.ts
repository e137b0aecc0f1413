import t from 'tap'
import { checkNodeResolver, fitNameservers, fitSearches } from '#dns/policy/limits.ts'
import { parseResolvConf } from '#dns/policy/resolv-conf.ts'

const searchesOf = (list: readonly string[]) => parseResolvConf(`search ${list.join(' ')}`)

const fitted = (list: readonly string[]) => {
  const { kept, leftOut } = fitSearches(searchesOf(list).searches)
  return {
    kept: kept.map(({ value }) => value),
    leftOut: leftOut.map(({ entry, limit }) => [entry.value, limit]),
  }
}
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `d${index}`)
/** A list of `count` suffixes of `length` characters: joined it has count × (length + 1) − 1. */
const sized = (count: number, length: number) =>
  numbered(count).map(name => name.padEnd(length, 'x'))

t.test('three nameservers stay, a fourth goes', async t => {
  const file = (count: number) =>
    parseResolvConf(Array.from({ length: count }, (_, i) => `nameserver 192.0.2.${i}`).join('\n'))
      .nameservers
  t.strictSame(fitNameservers(file(3)), { kept: file(3), leftOut: [] })
  const four = fitNameservers(file(4))
  t.strictSame(four.kept, file(3))
  t.match(four.leftOut, [{ entry: { value: '192.0.2.3' } }])
})

t.test('32 searches stay, the 33rd goes', async t => {
  t.strictSame(fitted(numbered(32)), { kept: numbered(32), leftOut: [] })
  t.strictSame(fitted(numbered(33)).kept, numbered(32))
  t.strictSame(fitted(numbered(33)).leftOut, [['d32', 'at most 32 search suffixes']])
})

t.test('253 characters stay, 254 go', async t => {
  const [fits, long] = ['a'.repeat(253), 'b'.repeat(254)]
  t.strictSame(fitted([fits, long, 'c']).kept, [fits, 'c'])
  t.strictSame(fitted([long]).leftOut, [[long, 'at most 253 bytes each']])
})

t.test('the count is cut before the overlong go: the 33rd does not move up', async t => {
  const long = 'b'.repeat(254)
  t.strictSame(fitted([long, ...numbered(32)]).kept, numbered(31))
})

t.test('2048 characters joined stay; beyond that entries go from the end', async t => {
  // 9 × 205 − 1 + 1 + 203 = 2048
  const exact = [...sized(9, 204), 'e'.repeat(203)]
  t.equal(exact.join(' ').length, 2048)
  t.strictSame(fitted(exact), { kept: exact, leftOut: [] })
  const over = [...sized(9, 204), 'e'.repeat(204)]
  t.strictSame(fitted(over).kept, sized(9, 204))
  // A short last entry goes first although a long one in the middle would do.
  t.strictSame(fitted([...over, 'z']).kept, sized(9, 204))
  t.strictSame(fitted([...over, 'z']).leftOut, [
    ['e'.repeat(204), 'at most 2048 bytes together'],
    ['z', 'at most 2048 bytes together'],
  ])
})

t.test("the kubelet's check of the node file: 29 searches with a cluster domain", async t => {
  t.equal(checkNodeResolver(searchesOf(numbered(29)), 'cluster.local'), undefined)
  t.match(checkNodeResolver(searchesOf(numbered(30)), 'cluster.local'), /^30 .* more than 29/)
})

t.test("the kubelet's check of the node file: 32 searches without", async t => {
  t.equal(checkNodeResolver(searchesOf(numbered(32)), ''), undefined)
  t.match(checkNodeResolver(searchesOf(numbered(33)), ''), /^33 .* more than 32/)
})

t.test("the kubelet's check of the node file: an entry, and the whole line", async t => {
  t.equal(checkNodeResolver(searchesOf(['a'.repeat(253)]), ''), undefined)
  t.match(checkNodeResolver(searchesOf(['a'.repeat(254)]), ''), /longer than 253/)
  t.equal(checkNodeResolver(searchesOf([...sized(9, 204), 'e'.repeat(203)]), ''), undefined)
  t.match(checkNodeResolver(searchesOf(sized(10, 204)), ''), /2049 bytes, more than 2048/)
})
