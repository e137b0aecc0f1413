import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { registeredMetrics } from '../helper/registered-metrics.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8')
const [metricTables = '', labelTable = ''] = page.split('\n## Labels\n')
const metrics = [...(await registeredMetrics()).values()]

const namesIn = (cell: string): readonly string[] =>
  [...cell.matchAll(/`([^`]*)`/g)].map(([, name = '']) => name)
const rowsOf = (text: string, columns: number): readonly (readonly string[])[] =>
  [...text.matchAll(/^\| (`.*) \|$/gm)]
    .map(([, row = '']) => row.split(' | '))
    .filter(row => row.length === columns)

t.test('docs/metrics.md has every metric that there is, and none that is not', async t => {
  const told = rowsOf(metricTables, 4).map(([name = '', type, labels = '']) => ({
    name: namesIn(name)[0],
    type,
    labels: namesIn(labels).toSorted(),
  }))
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    `${a.name}` < `${b.name}` ? -1 : 1
  const made = metrics.map(({ name, type, labels }) => ({ name, type, labels: labels.toSorted() }))
  t.strictSame(told.toSorted(byName), made.toSorted(byName))
})

const bounds = rowsOf(labelTable, 4).flatMap(([label = '', of = '', most = '']) =>
  namesIn(of).map(prefix => ({ label: namesIn(label)[0], prefix, most })),
)

t.test('every label of every metric has a stated bound', async t => {
  for (const { name, labels } of metrics) {
    for (const label of labels) {
      const stated = bounds.filter(each => each.label === label && name.startsWith(each.prefix))
      t.equal(stated.length, 1, `${label} of ${name}`)
      t.match(stated[0]?.most, /^(\d+|one per .*)$/)
    }
  }
})

t.test('no bound is stated of a label that is not there', async t => {
  for (const { label, prefix } of bounds) {
    const isThere = metrics.some(
      ({ name, labels }) => name.startsWith(prefix) && labels.some(each => each === label),
    )
    t.ok(isThere, `${label} of ${prefix}`)
  }
})
