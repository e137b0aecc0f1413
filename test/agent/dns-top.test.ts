import t from 'tap'
import { AskedMost, TOP_LIMIT } from '#dns/top/asked-most.ts'
import type { IpAddress } from '#net/ip.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { dnsTop, registerTopClients } from '../../src/agent/dns-top.ts'
import { HeldClock } from '../helper/held-clock.ts'

const ip = (last: number) => `10.244.1.${last}` as IpAddress

t.test('names in any letters are one, types are not; clients are named by their pods', t => {
  const most = new AskedMost(new HeldClock())
  most.asked({ name: 'Web.Shop.svc.cluster.local.', type: 'A', class: 'IN' }, 2)
  most.asked({ name: 'web.shop.svc.cluster.local.', type: 'A', class: 'IN' }, 1)
  most.asked({ name: 'web.shop.svc.cluster.local.', type: 'AAAA', class: 'IN' }, 1)
  most.cameFrom(ip(7), 3)
  most.cameFrom(ip(8), 1)
  const podAt = (address: IpAddress) =>
    address === ip(7) ? { namespace: 'shop', name: 'client' } : undefined
  t.strictSame(dnsTop(most, podAt), {
    topNames: [
      { name: 'web.shop.svc.cluster.local.', type: 'A', count: 3 },
      { name: 'web.shop.svc.cluster.local.', type: 'AAAA', count: 1 },
    ],
    topClients: [
      { address: ip(7), pod: 'shop/client', count: 3 },
      { address: ip(8), count: 1 },
    ],
  })
  t.end()
})

t.test('the metric has 20 series at most, and none of who asks no more', async t => {
  const most = new AskedMost(new HeldClock())
  const metrics = createMetrics()
  let isSilent = false
  registerTopClients(metrics, async () =>
    isSilent ? { topNames: [], topClients: [] } : dnsTop(most, () => undefined),
  )
  for (let client = 0; client < 100; client++) most.cameFrom(ip(client), client + 1)
  const series = async (): Promise<readonly string[]> => {
    const text = await metrics.metrics()
    return text.match(/^nodeplane_dns_top_client_queries\{.*$/gm) ?? []
  }
  const all = await series()
  t.equal(all.length, TOP_LIMIT)
  t.ok(
    all.includes('nodeplane_dns_top_client_queries{namespace="",pod="",address="10.244.1.99"} 100'),
  )
  isSilent = true
  t.equal((await series()).length, 0)
})
