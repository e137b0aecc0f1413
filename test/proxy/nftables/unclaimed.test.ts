import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { unclaimedRules } from '../../../src/proxy/nftables/unclaimed.ts'

const keysOf = (texts: readonly string[]) => {
  const [, ports] = unclaimedRules(texts.map(text => parsePrefix(text) as IpPrefix))
  return ports.flatMap(({ members }) => members.map(({ key }) => key))
}

for (const { title, cidrs, want } of [
  { title: 'none', cidrs: [], want: [] },
  { title: 'a network whose host bits are set', cidrs: ['10.96.0.1/12'], want: ['10.96.0.0/12'] },
  { title: 'the same range twice', cidrs: ['10.0.0.0/8', '10.0.0.0/8'], want: ['10.0.0.0/8'] },
  {
    title: 'one inside another, which nft would refuse',
    cidrs: ['10.96.0.0/16', '10.0.0.0/8', '172.16.0.0/16'],
    want: ['10.0.0.0/8', '172.16.0.0/16'],
  },
  { title: 'all addresses: left out', cidrs: ['0.0.0.0/0', '10.0.0.0/8'], want: ['10.0.0.0/8'] },
  { title: 'one address', cidrs: ['fd00::1/128'], want: ['fd00::1'] },
]) {
  t.test(title, async t => t.strictSame(keysOf(cidrs), want))
}
