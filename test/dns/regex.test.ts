import t from 'tap'
import { parseRegex } from '../../src/dns/regex.ts'

const accepted: readonly [pattern: string, text: string, want: boolean][] = [
  ['^read udp .* i/o timeout$', 'read udp 1.2.3.4:5->6.7.8.9:53: i/o timeout', true],
  ['timeout', 'x timeout y', true],
  ['(?i)TIMEOUT', 'timeout', true],
  ['(?P<host>[a-z]+)\\.org', 'example.org', true],
  ['(a|b)+c', 'ababc', true],
  ['(a+){2}', 'aaa', true],
  ['[(+)]+', '(', true],
  ['\\(a+\\)+', '(aa)', true],
  ['^a\\-[b\\-c]\\_\\\\-$', 'a--_\\-', true],
]
for (const [pattern, text, want] of accepted) {
  t.test(`reads ${pattern}`, async t => {
    const regex = parseRegex(pattern)
    if (typeof regex === 'string') throw new Error(regex)
    t.equal(regex.test(text), want)
  })
}

const refused: readonly [pattern: string, message: string][] = [
  ['(a+)+$', 'repeats a group that holds a repetition'],
  ['((a*)b)*', 'repeats a group that holds a repetition'],
  ['(?:x(y{2,}))+', 'repeats a group that holds a repetition'],
  ['(a)\\1', 'back reference'],
  ['(?=a)', 'look-around'],
  ['(?<!a)b', 'look-around'],
  ['(', 'pattern'],
  ['a'.repeat(10_001), 'over the limit of 10000'],
]
for (const [pattern, message] of refused) {
  t.test(`refuses ${pattern.slice(0, 20)}`, async t => {
    t.match(parseRegex(pattern), message)
  })
}
