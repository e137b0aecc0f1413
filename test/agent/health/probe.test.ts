import t from 'tap'
import { failed, nextState, ok, type ProbeResult, skipped, unprobed } from '#agent/health/probe.ts'

const bad = failed('no answer')
const after = (...results: readonly ProbeResult[]) => results.reduce(nextState, unprobed)

t.test('what is said of a part after some probes', async t => {
  const cases: readonly (readonly [string, readonly ProbeResult[], boolean | undefined])[] = [
    ['nobody has looked', [], undefined],
    ['it works', [ok], false],
    ['it never worked: no patience', [bad], true],
    ['one lost packet', [ok, bad], false],
    ['two in a row', [ok, bad, bad], true],
    ['two, but not in a row', [ok, bad, ok, bad], false],
    ['it works again: at once', [ok, bad, bad, ok], false],
    ['there is nothing to look at', [skipped('no Service')], false],
    ['there is nothing to look at any more', [ok, bad, bad, skipped('no Service')], false],
  ]
  for (const [what, results, isFailing] of cases) {
    t.equal(after(...results).isFailing, isFailing, what)
  }
})

t.test('the reason is that of the last probe', async t => {
  t.equal(after(ok, failed('one'), failed('two')).reason, 'two')
  t.equal(after(ok, bad, bad, ok).reason, undefined)
  t.equal(after(skipped('no Service')).reason, 'no Service')
})
