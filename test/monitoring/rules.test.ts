import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { readByPromql } from '../helper/promql.ts'
import { registeredMetrics } from '../helper/registered-metrics.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

type Rule = {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}
type Target = { readonly expr: string; readonly legendFormat: string }
type Panel = {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly w: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly Target[]
}
type Dashboard = {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { name: string; type: string; definition?: string }[]
  }
}

const alerts = (
  parse(read('deploy/monitoring/alerts.yaml')) as { groups: readonly { rules: readonly Rule[] }[] }
).groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(read('deploy/monitoring/dashboard.json')) as Dashboard
const targets = dashboard.panels.flatMap(({ targets = [] }) => targets)

/** What Prometheus adds to every series of a target. */
const TARGET_LABELS = ['job', 'instance']
const metrics = await registeredMetrics()

/** The labels of a series; undefined where nothing makes it. */
function labelsOf(series: string): readonly string[] | undefined {
  if (series === 'up') return TARGET_LABELS
  const metric = metrics.get(series)
  if (metric !== undefined && metric.type !== 'histogram') {
    return [...TARGET_LABELS, ...metric.labels]
  }
  const [, base = '', suffix] = /^(.*)_(bucket|sum|count)$/.exec(series) ?? []
  const histogram = metrics.get(base)
  if (histogram?.type !== 'histogram') return undefined
  return [...TARGET_LABELS, ...histogram.labels, ...(suffix === 'bucket' ? ['le'] : [])]
}

/** What is wrong with the names in an expression, and in a text made of its labels. */
function wrongNames(expression: string, shown: readonly string[] = []): readonly string[] {
  const { selectors, groupLabels } = readByPromql(expression)
  const wrong = selectors.flatMap(({ metric, labels }) => {
    const there = labelsOf(metric)
    if (there === undefined) return [metric]
    return labels.filter(label => !there.includes(label)).map(label => `${metric}{${label}}`)
  })
  const all = new Set(selectors.flatMap(({ metric }) => labelsOf(metric) ?? []))
  return [...wrong, ...[...groupLabels, ...shown].filter(label => !all.has(label))]
}

const labelsIn = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, label = '']) => label)

t.test('alerts and dashboard name no metric and no label that nothing makes', async t => {
  for (const { alert, expr, annotations } of alerts) {
    const shown = labelsIn(annotations.summary, /\$labels\.(\w+)/g)
    t.strictSame(wrongNames(expr, shown), [], alert)
  }
  for (const { expr, legendFormat } of targets) {
    t.strictSame(wrongNames(expr, labelsIn(legendFormat, /\{\{(\w+)\}\}/g)), [], expr)
  }
  for (const { definition } of dashboard.templating.list) {
    const [, series = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '') ?? []
    if (definition !== undefined) t.strictSame(wrongNames(series, [label]), [], definition)
  }
})

t.test('names that nothing makes are found', async t => {
  t.strictSame(wrongNames('rate(nodeplane_gone_total[5m])'), ['nodeplane_gone_total'])
  t.strictSame(wrongNames('up{zone="a"}'), ['up{zone}'])
  t.strictSame(wrongNames('sum by (color) (up)', ['shade']), ['color', 'shade'])
  // A histogram has no series of its own name.
  t.strictSame(wrongNames('coredns_dns_request_duration_seconds'), [
    'coredns_dns_request_duration_seconds',
  ])
})

t.test('every alert looks at one job, and has a severity, a summary and a page', async t => {
  t.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
  for (const { alert, expr, labels, annotations } of alerts) {
    const { selectors } = readByPromql(expr)
    t.ok(
      selectors.every(each => each.labels.includes('job')),
      alert,
    )
    t.match(labels.severity, /^(critical|warning)$/, alert)
    t.match(annotations.summary, /^([A-Z{]|nodeplane ).{20,}\.$/, alert)
    t.equal(annotations.runbook_url, `docs/runbooks/${alert}.md`)
  }
})

t.test('every alert has a runbook page, and every page is of an alert', async t => {
  const pages = readdirSync(join(root, 'docs/runbooks')).filter(page => page !== 'README.md')
  t.strictSame(new Set(pages), new Set(alerts.map(({ alert }) => `${alert}.md`)))
  for (const page of pages) {
    const headings = [...read(`docs/runbooks/${page}`).matchAll(/^#+ .*$/gm)].map(([line]) => line)
    const parts = ['## What it means', '## What to look at', '## How to fix it']
    t.strictSame(headings, [`# ${page.replace('.md', '')}`, ...parts])
  }
})

t.test(
  'the dashboard can be imported: its data source is chosen, its panels lie side by side',
  async t => {
    const { uid, title, schemaVersion, panels, templating } = dashboard
    t.ok(uid && title && schemaVersion >= 36)
    t.ok(templating.list.some(({ name, type }) => name === 'datasource' && type === 'datasource'))
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    for (const { type, title, gridPos, datasource } of panels) {
      t.ok(gridPos.x + gridPos.w <= 24, title)
      if (type !== 'row') t.equal(datasource?.uid, `\${datasource}`, title)
    }
  },
)
