import t from 'tap'
import { parseWeights } from '#dns/plugins/loadbalance/weights.ts'

t.test('a weight file has names and under each addresses with weights', async t => {
  const weights = parseWeights('# all\nWww.Example.com\n100.64.1.1  3\n2001:db8::1 255\n\nb.\n')
  t.strictSame(
    [...weights].map(([name, of]) => [name, ...of]),
    [['www.example.com.', ['100.64.1.1', 3], ['2001:db8::1', 255]], ['b.']],
  )
})

t.test('what is wrong is said with its line', async t => {
  for (const [text, message] of [
    ['10.0.0.1 3', 'line 1: an address before the first name'],
    ['a\n10.0.0.1 0', "line 2: '0' is no weight from 1 to 255"],
    ['a\n10.0.0.1 256', "line 2: '256' is no weight from 1 to 255"],
    ['a\n10.0.0.256 1', "line 2: '10.0.0.256' is no address"],
    ['a b c', 'line 1: needs a name, or an address and its weight'],
  ] as const) {
    t.throws(() => parseWeights(text), { code: 'ERR_DNS_WEIGHT_FILE', message }, text)
  }
})
