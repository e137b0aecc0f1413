import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { corednsMetrics, kubeProxyMetrics } from '../fixtures/known-metrics.ts'
import { makesMetrics, registeredMetrics, registrations } from '../helper/registered-metrics.ts'

const src = join(import.meta.dirname, '../../src')
const metrics = await registeredMetrics()
const known = { ...kubeProxyMetrics, ...corednsMetrics }

t.test('every file that makes metrics is looked at', async t => {
  // These two make metrics for others, who name them.
  const makers = ['dns/metric.ts', 'dns/weighted-histogram.ts']
  const files = globSync('**/*.ts', { cwd: src }).filter(path => makesMetrics(join(src, path)))
  t.strictSame(
    files.filter(path => !makers.includes(path)).sort(),
    Object.keys(registrations).sort(),
  )
})

t.test('every name that is written out in the sources is registered', async t => {
  let count = 0
  for (const path of globSync('**/*.ts', { cwd: src })) {
    const text = readFileSync(join(src, path), 'utf8')
    for (const [, name = ''] of text.matchAll(
      /'((?:nodeplane|coredns|kubeproxy|kubernetes|process)_\w*[a-z])'/g,
    )) {
      if (!makesMetrics(join(src, path))) continue
      count++
      t.ok(metrics.has(name), `${path}: ${name}`)
    }
  }
  t.ok(count > 50)
})

t.test('every name is known from what is replaced, or has our prefix', async t => {
  for (const { name, type, labels } of metrics.values()) {
    if (/^(nodeplane|process)_[a-z_]+$/.test(name)) continue
    const [knownType, ...knownLabels] = known[name] ?? []
    t.equal(type, knownType, name)
    // A label whose values are not there may be missing; none may be added.
    const added = labels.filter(label => !knownLabels.includes(label))
    t.strictSame(added, [], `labels of ${name}`)
  }
})

t.test('counters of ours, and nothing else of ours, are totals', async t => {
  const ours = [...metrics.values()].filter(({ name }) => name.startsWith('nodeplane_'))
  for (const { name, type } of ours) t.equal(name.endsWith('_total'), type === 'counter', name)
})
