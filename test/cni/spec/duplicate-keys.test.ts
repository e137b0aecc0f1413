import fc from 'fast-check'
import t from 'tap'
import { duplicateKeys } from '#cni/spec/duplicate-keys.ts'

const cases: readonly { text: string; want: readonly object[] }[] = [
  { text: '{"a":1,"b":2}', want: [] },
  { text: '{"a":1,"a":2}', want: [{ path: '', key: 'a' }] },
  { text: '{"Sysctl": {"x": "1", "y": "}", "x": "2"}}', want: [{ path: 'sysctl', key: 'x' }] },
  { text: '{"a":{"b":{"c":1,"c":2}}}', want: [{ path: 'a.b', key: 'c' }] },
  { text: '{"a":{"k":1},"b":{"k":1}}', want: [] },
  { text: '{"a":[{"k":1},{"k":1}],"k":["k","k"]}', want: [] },
  { text: '{"a":"a","b":"a, \\"a\\": 1"}', want: [] },
  { text: '{"\\u0061":1,"a":2}', want: [{ path: '', key: 'a' }] },
  { text: '{"a":1,"A":2}', want: [] },
]

for (const { text, want } of cases) {
  t.test(text, async t => t.strictSame(duplicateKeys(text), want))
}

t.test('what was written by JSON.stringify has none', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.json(), text => duplicateKeys(JSON.stringify(JSON.parse(text))).length === 0),
    ),
  )
})
