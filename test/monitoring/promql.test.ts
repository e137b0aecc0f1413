import t from 'tap'
import { readByPromql } from '../helper/promql.ts'

const cases: readonly [
  expression: string,
  metrics: readonly string[],
  labels: readonly string[],
][] = [
  ['up == 0', ['up'], []],
  ['rate(a_total{job="x",b=~"y{z}"}[5m]) > 0.05', ['a_total: job b'], []],
  ['sum by (le, b) (rate(a_bucket[10m])) / c', ['a_bucket:', 'c:'], ['le', 'b']],
  ['sum(a) by (b)', ['a:'], ['b']],
  ['a unless on (b) c offset 5m', ['a:', 'c:'], ['b']],
  ['a * on (b) group_left (d) c', ['a:', 'c:'], ['b', 'd']],
  ['histogram_quantile(0.99, a) >= bool 1e3', ['a:'], []],
]

for (const [expression, metrics, labels] of cases) {
  t.test(`the metrics and labels of ${expression}`, async t => {
    const { selectors, groupLabels } = readByPromql(expression)
    t.strictSame(
      selectors.map(({ metric, labels }) => `${metric}: ${labels.join(' ')}`.trim()),
      metrics.map(text => (text.includes(':') ? text : `${text}:`)),
    )
    t.strictSame(groupLabels, labels)
  })
}

t.test('a brace that does not end is an error', async t => {
  t.throws(() => readByPromql('a{b="c"'))
})
