import t from 'tap'
import { ancestorsOf, isInZone, normalizeName } from '../../src/dns/name.ts'

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
