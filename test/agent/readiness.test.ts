import t from 'tap'
import type { PartName } from '#agent/parts/part.ts'
import { livenessRoute, readinessRoute, reasonInLine } from '#agent/readiness.ts'

const well = (part: PartName, note?: string) => ({
  part,
  whyNot: () => undefined,
  note: () => note,
})
const ill = (part: PartName, reason: string) => ({ part, whyNot: () => reason })
const plain = new URLSearchParams()
const verbose = new URLSearchParams('verbose')

t.test('ready is who has no reason not to be', async t => {
  const checks = [well('routes', 'no other node has pods'), well('dns')]
  t.strictSame(readinessRoute(checks)(plain), { status: 200, body: 'ok\n' })
  t.strictSame(readinessRoute(checks)(verbose), {
    status: 200,
    body: '[+]routes ok (no other node has pods)\n[+]dns ok\n',
  })
  t.equal(reasonInLine(checks), undefined)
})

t.test('reasons are told by the names of their parts', async t => {
  const checks = [ill('routes', 'blackhole'), well('proxy'), ill('dns', 'no answer')]
  const status = 503
  t.strictSame(readinessRoute(checks)(plain), {
    status,
    body: 'routes: blackhole\ndns: no answer\n',
  })
  t.strictSame(readinessRoute(checks)(verbose), {
    status,
    body: '[-]routes: blackhole\n[+]proxy ok\n[-]dns: no answer\n',
  })
  t.equal(reasonInLine(checks), 'routes: blackhole; dns: no answer')
})

t.test('alive is who does not hang', async t => {
  t.strictSame(livenessRoute(() => [])(), { status: 200, body: 'ok\n' })
  t.strictSame(livenessRoute(() => ['dns'])(), { status: 503, body: 'dns: its probe hangs\n' })
})
