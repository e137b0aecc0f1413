import t from 'tap'
import { parseInteger, parseSpan } from '#dns/corefile/arguments.ts'

const spans: readonly [text: string, ms: number | undefined][] = [
  ['300ms', 300],
  ['1h20m', 4_800_000],
  ['0', 0],
  ['-0s', 0],
  ['-5s', undefined],
  ['5', undefined],
  ['', undefined],
]
for (const [text, ms] of spans) {
  t.test(`'${text}' is ${ms === undefined ? 'no time to wait' : `${ms} ms`}`, async t => {
    t.ok(Object.is(parseSpan(text), ms), String(parseSpan(text)))
  })
}

const integers: readonly [text: string | undefined, value: number | undefined][] = [
  ['1', 1],
  ['10', 10],
  ['0', undefined],
  ['11', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['1e1', undefined],
  ['', undefined],
  [undefined, undefined],
]
for (const [text, value] of integers) {
  t.test(`${JSON.stringify(text)} of 1 to 10 is ${value ?? 'refused'}`, async t => {
    t.equal(parseInteger(text, 1, 10), value)
  })
}
