import fc from 'fast-check'
import t from 'tap'
import { formatDuration, parseDuration } from '../../src/runtime/duration.ts'

const cases: readonly [text: string, ms: number | undefined, printed?: string][] = [
  ['0', 0, '0s'],
  ['0s', 0, '0s'],
  ['30s', 30_000, '30s'],
  ['15m', 900_000, '15m0s'],
  ['24h', 86_400_000, '24h0m0s'],
  ['1h0m1.5s', 3_601_500, '1h0m1.5s'],
  ['1.5h', 5_400_000, '1h30m0s'],
  ['.5s', 500, '500ms'],
  ['100ms', 100, '100ms'],
  ['250us', 0.25, '250µs'],
  ['1h20m', 4_800_000, '1h20m0s'],
  ['250µs', 0.25, '250µs'],
  ['3ns', 3e-6, '3ns'],
  ['-2m', -120_000, '-2m0s'],
  ['+2m', 120_000, '2m0s'],
  ['', undefined],
  ['30', undefined],
  ['s', undefined],
  ['1 s', undefined],
  ['1d', undefined],
  ['-', undefined],
  ['1.2.3s', undefined],
]
for (const [text, ms, printed] of cases) {
  const title = ms === undefined ? 'no duration' : `${ms} ms`
  t.test(`${JSON.stringify(text)} is ${title}`, async t => {
    t.equal(parseDuration(text), ms)
    if (ms !== undefined) t.equal(formatDuration(ms), printed)
  })
}

t.test('what is printed reads back the same', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 10 }), ms => {
        return parseDuration(formatDuration(ms)) === ms
      }),
    ),
  )
})
