import t from 'tap'
import { parseLabelSelector } from '#dns/plugins/kubernetes/label-selector.ts'

const labels = { app: 'web', tier: 'front', 'example.org/x': '' }

t.test('selects by the API’s expressions', async t => {
  for (const [expression, isSelected] of [
    ['app=web', true],
    ['app==web', true],
    ['app=db', false],
    ['app!=db', true],
    ['absent!=db', true],
    ['app', true],
    ['absent', false],
    ['!absent', true],
    ['!app', false],
    ['app in (web, db)', true],
    ['app in (db)', false],
    ['app notin (db)', true],
    ['absent notin (db)', true],
    ['absent in (db)', false],
    ['app in (web, db),tier=front', true],
    ['app=web, tier=back', false],
    ['example.org/x=', true],
    ['toString', false],
  ] as const) {
    t.equal(parseLabelSelector(expression)?.(labels), isSelected, expression)
  }
})

t.test('refuses what is no expression', async t => {
  for (const expression of ['', 'a b', 'app in web', '=x', 'a=b,', 'app in (a', '-a=b']) {
    t.equal(parseLabelSelector(expression), undefined, expression)
  }
})
