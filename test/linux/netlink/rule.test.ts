import t from 'tap'
import { decodeRule, encodeRule, type Rule } from '#linux/netlink/rule.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix

// struct fib_rule_hdr: family, destination length, source length, tos, table, two reserved, action; flags u32; then attributes.
const encodings: readonly { title: string; rule: Rule; want: string }[] = [
  {
    title: 'IPv4: FRA_SRC 2, FRA_TABLE 15',
    rule: { family: 4, source: prefix('10.9.0.5/32'), table: 100 },
    want: '02002000 64000001 00000000 08000200 0a090005 08000f00 64000000',
  },
  {
    title: 'IPv6, a table above 255, FRA_PRIORITY 6',
    rule: { family: 6, source: prefix('fd00::5/128'), table: 1000, priority: 7 },
    want: '0a008000 00000001 00000000 14000200 fd000000000000000000000000000005 08000f00 e8030000 08000600 07000000',
  },
  {
    title: 'from anywhere',
    rule: { family: 4, source: undefined, table: 254 },
    want: '02000000 fe000001 00000000 08000f00 fe000000',
  },
]

for (const { title, rule, want } of encodings) {
  t.test(title, async t => {
    const bytes = encodeRule(rule)
    t.equal(bytes.toString('hex'), want.replaceAll(' ', ''))
    t.strictSame(decodeRule(bytes), { priority: 0, ...rule })
  })
}

t.test('a rule that leads to no table is passed over', async t => {
  const bytes = encodeRule({ family: 4, source: undefined, table: 254 })
  bytes[7] = 6
  t.equal(decodeRule(bytes), undefined)
})
