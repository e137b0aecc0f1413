import t from 'tap'
import type { ServiceCIDR } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { formatPrefix } from '#net/prefix.ts'
import { wantedByProxyService } from '../../src/proxy/service.ts'
import { ServiceCIDRs } from '../../src/proxy/service-cidrs.ts'
import { eventually } from '../helper/eventually.ts'

const serviceCIDR = (name: string, ...cidrs: readonly string[]): ServiceCIDR => ({
  kind: 'ServiceCIDR',
  metadata: { name, namespace: '', labels: {} },
  cidrs,
})

t.test(
  'ranges of each family, written as leniently as addresses; no prefixes are passed over',
  async t => {
    const store = new Store()
    store.set('ServiceCIDR', serviceCIDR('a', '10.096.0.0/12', 'fd00:96::/108', 'x', '10.0.0.1'))
    store.set('ServiceCIDR', serviceCIDR('b', '::ffff:10.112.0.0/108'))
    const ranges = new ServiceCIDRs(store)
    t.strictSame(ranges.of(4).map(formatPrefix), ['10.96.0.0/12', '10.112.0.0/12'])
    t.strictSame(ranges.of(6).map(formatPrefix), ['fd00:96::/108'])
  },
)

t.test('changes are told; one of two objects with a range does not take it away', async t => {
  const store = new Store()
  const ranges = new ServiceCIDRs(store)
  let changes = 0
  ranges.onChange(() => changes++)
  const stop = new AbortController()
  const done = ranges.follow(stop.signal)
  store.set('ServiceCIDR', serviceCIDR('a', '10.96.0.0/12'))
  await eventually('the first', () => changes === 1)
  store.set('ServiceCIDR', serviceCIDR('b', '10.96.0.0/12'))
  await eventually('the second', () => changes === 2)
  store.delete('ServiceCIDR', 'a')
  await eventually('one gone', () => changes === 3)
  t.strictSame(ranges.of(4).map(formatPrefix), ['10.96.0.0/12'])
  stop.abort()
  await done
})

t.test('only mode nftables asks for them', async t => {
  const asks = (mode: string) =>
    Object.hasOwn(wantedByProxyService('n', { mode: mode as 'nftables' }), 'ServiceCIDR')
  t.strictSame(['', 'nftables', 'iptables', 'ipvs'].map(asks), [true, true, false, false])
})
