import t from 'tap'
import { parseDuration } from '../../../src/dns/corefile/duration.ts'

const cases: readonly [text: string, ms: number | undefined][] = [
  ['300ms', 300],
  ['5s', 5000],
  ['1h20m', 4_800_000],
  ['1.5s', 1500],
  ['0', 0],
  ['0s', 0],
  ['250us', 0.25],
  ['5', undefined],
  ['', undefined],
  ['-5s', undefined],
  ['5 s', undefined],
  ['5x', undefined],
]
for (const [text, ms] of cases) {
  t.test(`'${text}' is ${ms === undefined ? 'no duration' : `${ms} ms`}`, async t => {
    t.equal(parseDuration(text), ms)
  })
}
