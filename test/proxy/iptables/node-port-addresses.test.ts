import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import {
  nodePortAddressesOf,
  wantsLocalhostNodePorts,
} from '../../../src/proxy/iptables/node-port-addresses.ts'

const selection = (prefixes: readonly string[], localhostNodePorts = true) => ({
  localhostNodePorts,
  nodePortAddresses: prefixes.map(text => parsePrefix(text) as IpPrefix),
})

t.test(
  'localhost node ports: where they are wanted and the selection has them, in IPv4',
  async t => {
    for (const [prefixes, want] of [
      [[], true],
      [['0.0.0.0/0'], true],
      [['127.0.0.0/8'], true],
      [['127.0.0.1/32', '10.0.0.0/8'], true],
      [['10.0.0.0/8'], false],
      // The other family's prefixes select all of this one.
      [['fd00::/8'], true],
    ] as const) {
      const title = prefixes.join(', ') || 'no prefix'
      t.equal(wantsLocalhostNodePorts(selection(prefixes), 4), want, title)
      t.equal(wantsLocalhostNodePorts(selection(prefixes, false), 4), false, `${title}, not wanted`)
      t.equal(wantsLocalhostNodePorts(selection(prefixes), 6), false, `${title}, IPv6`)
    }
  },
)

t.test('the addresses of this machine that are selected', async t => {
  t.equal(nodePortAddressesOf(selection([]), 4), 'all')
  t.equal(nodePortAddressesOf(selection(['10.0.0.0/8', '0.0.0.0/0']), 4), 'all')
  t.equal(nodePortAddressesOf(selection(['10.0.0.0/8']), 6), 'all')
  t.strictSame(nodePortAddressesOf(selection(['127.0.0.0/8']), 4), ['127.0.0.1'])
  t.strictSame(nodePortAddressesOf(selection(['240.0.0.0/8']), 4), [])
})
