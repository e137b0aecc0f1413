import t from 'tap'
import {
  ancestorsOf,
  isHostName,
  isInZone,
  joinName,
  longestZone,
  normalizeName,
  splitLabels,
  toFqdn,
} from '#dns/name.ts'

const inZone: readonly [name: string, zone: string, want: boolean][] = [
  ['a.example.org.', 'example.org.', true],
  ['example.org.', 'example.org.', true],
  ['anything.', '.', true],
  ['badexample.org.', 'example.org.', false],
  ['org.', 'example.org.', false],
  ['a\\.example.org.', 'example.org.', false],
  ['a\\\\.example.org.', 'example.org.', true],
]
for (const [name, zone, want] of inZone) {
  t.test(`${name} is ${want ? '' : 'not '}in ${zone}`, async t => {
    t.equal(isInZone(name, zone), want)
  })
}

t.test('ancestors go label by label, escaped dots do not part labels', async t => {
  t.strictSame([...ancestorsOf('a\\.b.c.')], ['a\\.b.c.', 'c.', '.'])
  t.strictSame([...ancestorsOf('.')], ['.'])
})

t.test('names are made canonical, or are none', async t => {
  t.equal(normalizeName('Example.ORG'), 'example.org.')
  t.equal(normalizeName('\\065b.'), 'ab.')
  t.equal(normalizeName(''), '.')
  t.equal(normalizeName('a..b'), undefined)
})

t.test('the zone of a name is the longest that ends it at a label', async t => {
  const zones = ['cluster.local.', 'a.cluster.local.', 'in-addr.arpa.']
  for (const [name, zone] of [
    ['cluster.local.', 'cluster.local.'],
    ['x.cluster.local.', 'cluster.local.'],
    ['x.a.cluster.local.', 'a.cluster.local.'],
    ['notcluster.local.', undefined],
    ['local.', undefined],
    ['x\\.cluster.local.', undefined],
    ['x\\\\.cluster.local.', 'cluster.local.'],
    ['y.x\\.cluster.local.', undefined],
  ] as const) {
    t.equal(longestZone(zones, name), zone, name)
  }
  t.equal(longestZone(['.'], 'anything.'), '.')
})

t.test('a name is parted at its dots, but for escaped ones, and put together again', async t => {
  t.strictSame(splitLabels('a.b.c.'), ['a', 'b', 'c'])
  t.strictSame(splitLabels('a\\.b.c.'), ['a\\.b', 'c'])
  t.strictSame(splitLabels('.'), [])
  t.equal(joinName('web.default.svc', 'cluster.local.'), 'web.default.svc.cluster.local.')
  t.equal(joinName('web', '.'), 'web.')
  t.equal(toFqdn('example.org'), 'example.org.')
  t.equal(toFqdn('example.org.'), 'example.org.')
})

t.test('an external name has labels of 1 to 63 octets, 253 in all, without blanks', async t => {
  const label = 'a'.repeat(63)
  const longest = `${label}.${label}.${label}.${'a'.repeat(61)}`
  for (const name of ['example.org', 'example.org.', '_tcp.a', label, longest]) {
    t.ok(isHostName(name), name)
  }
  for (const name of ['', '.', 'a..b', `${label}a`, `${longest}a`, 'a b', 'a\\b', 'ä.org']) {
    t.notOk(isHostName(name), name)
  }
})
