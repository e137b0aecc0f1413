import t from 'tap'
import { candidatesOf, fqdnOf, meantBy } from '#agent/why/names.ts'

const searches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local']

/** resolv.conf(5): search, ndots. */
const walks: readonly [asked: string, ndots: number, names: readonly string[]][] = [
  [
    'web',
    5,
    ['web.shop.svc.cluster.local.', 'web.svc.cluster.local.', 'web.cluster.local.', 'web.'],
  ],
  [
    'web.shop',
    1,
    [
      'web.shop.',
      'web.shop.shop.svc.cluster.local.',
      'web.shop.svc.cluster.local.',
      'web.shop.cluster.local.',
    ],
  ],
  ['web.shop.', 5, ['web.shop.']],
  ['WEB.Shop.svc.cluster.local.', 5, ['web.shop.svc.cluster.local.']],
]
for (const [asked, ndots, names] of walks) {
  t.test(`${asked} with ndots:${ndots}`, async t => {
    t.strictSame(
      candidatesOf(asked, { searches, ndots }).map(({ name }) => name),
      names,
    )
  })
}

t.test('suffixes that say nothing are left out', async t => {
  const names = candidatesOf('web', { searches: ['.', 'corp.test.'], ndots: 1 })
  t.strictSame(
    names.map(({ name, isAsGiven }) => [name, isAsGiven]),
    [
      ['web.corp.test.', false],
      ['web.', true],
    ],
  )
})

const meanings: readonly [asked: string, keys: readonly string[]][] = [
  ['web', ['here/web']],
  ['web.shop', ['shop/web']],
  ['web.shop.svc', ['shop/web']],
  ['web.shop.svc.cluster.local', ['shop/web']],
  ['Web.Shop.svc.cluster.local.', ['shop/web']],
  ['web.cluster.local', []],
  ['web.shop.pod', []],
  ['api.example.com', []],
  ['a.web.shop.svc.cluster.local', []],
]
for (const [asked, keys] of meanings) {
  t.test(`who is meant by ${asked}`, async t => {
    t.strictSame(meantBy(asked, { namespace: 'here', clusterDomain: 'cluster.local' }), keys)
  })
}

t.test('the full name of a Service', async t => {
  t.equal(fqdnOf('shop/web', 'cluster.local'), 'web.shop.svc.cluster.local.')
})
