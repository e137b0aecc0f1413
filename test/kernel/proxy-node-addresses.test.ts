import t from 'tap'
import { NetworkNamespace } from '#linux/namespace.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { nodePortAddressesOf } from '../../src/proxy/iptables/node-port-addresses.ts'
import { healthCheckHosts } from '../../src/proxy/node-port-addresses.ts'
import { TestNamespace } from '../helper/namespace.ts'

t.test('node ports answer on links without carrier, not on what mode ipvs has bound', async t => {
  await using node = await TestNamespace.create('node')
  using namespace = NetworkNamespace.open(node.path)
  for (const words of [
    'link add uplink type veth peer name unplugged',
    'link set uplink up',
    'address add 192.0.2.1/24 dev uplink',
    'address add 2001:db8::1/64 dev uplink nodad',
    // A bridge does here: the addresses are what counts.
    'link add kube-ipvs0 type bridge',
    'address add 192.0.2.7/32 dev kube-ipvs0',
  ]) {
    await node.ip(words)
  }
  const nodePortAddresses = ['192.0.2.0/24', '2001:db8::/32'].map(
    text => parsePrefix(text) as IpPrefix,
  )
  const selection = { nodePortAddresses, localhostNodePorts: false }
  for (const [family, want] of [
    [4, ['192.0.2.1']],
    [6, ['2001:db8::1']],
  ] as const) {
    t.strictSame(
      namespace.run(() => nodePortAddressesOf(selection, family)),
      want,
    )
    t.strictSame(
      namespace.run(() => healthCheckHosts(selection, family)),
      want,
    )
  }
})
