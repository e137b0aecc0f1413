import t from 'tap'
import { routeQuery } from '../../../src/dns/server/router.ts'

const zones = (...names: readonly string[]) => new Map(names.map(name => [name, [name]]))

const cases: readonly {
  title: string
  zones: readonly string[]
  name: string
  type?: string
  want: string | undefined
}[] = [
  {
    title: 'the longest zone',
    zones: ['.', 'org.', 'example.org.'],
    name: 'www.example.org.',
    want: 'example.org.',
  },
  { title: 'the apex', zones: ['.', 'example.org.'], name: 'example.org.', want: 'example.org.' },
  {
    title: 'any letter case',
    zones: ['example.org.'],
    name: 'WWW.eXample.ORG.',
    want: 'example.org.',
  },
  {
    title: 'label boundaries only',
    zones: ['example.org.'],
    name: 'badexample.org.',
    want: undefined,
  },
  {
    title: 'escaped dots part no labels',
    zones: ['example.org.'],
    name: 'a\\.example.org.',
    want: undefined,
  },
  { title: 'the root as last resort', zones: ['.', 'example.org.'], name: 'a.net.', want: '.' },
  { title: 'no zone', zones: ['example.org.'], name: '.', want: undefined },
  {
    title: 'DS goes to the parent',
    zones: ['org.', 'example.org.'],
    name: 'example.org.',
    type: 'DS',
    want: 'org.',
  },
  {
    title: 'DS of three nested zones goes to the parent, not the topmost',
    zones: ['a.', 'b.a.', 'c.b.a.'],
    name: 'c.b.a.',
    type: 'DS',
    want: 'b.a.',
  },
  {
    title: 'DS stays where no parent is served',
    zones: ['example.org.'],
    name: 'example.org.',
    type: 'DS',
    want: 'example.org.',
  },
  {
    title: 'DS does not go to the root block',
    zones: ['.', 'example.org.'],
    name: 'example.org.',
    type: 'DS',
    want: 'example.org.',
  },
  {
    title: 'DS of a name in no other zone goes to the root block',
    zones: ['.'],
    name: 'example.org.',
    type: 'DS',
    want: '.',
  },
]
for (const { title, zones: served, name, type = 'A', want } of cases) {
  t.test(title, async t => {
    t.equal(routeQuery(zones(...served), { name, type })?.zone, want)
  })
}

t.test('views: the first block of a zone that takes the query, else a shorter zone', async t => {
  const blocks = new Map([
    ['a.org.', ['internal', 'external']],
    ['org.', ['parent']],
  ])
  const asked = { name: 'x.a.org.', type: 'A' }
  t.equal(routeQuery(blocks, asked)?.block, 'internal')
  t.equal(routeQuery(blocks, asked, block => block !== 'internal')?.block, 'external')
  t.equal(routeQuery(blocks, asked, block => block === 'parent')?.zone, 'org.')
  t.equal(
    routeQuery(blocks, asked, () => false),
    undefined,
  )
})
