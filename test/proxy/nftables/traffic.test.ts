import t from 'tap'
import { parseNftCounters } from '../../../src/linux/nft-listing.ts'
import { counting, sumTraffic } from '../../../src/proxy/nftables/traffic.ts'

const element = (key: readonly unknown[], packets: number, bytes: number) => ({
  elem: { val: { concat: key }, counter: { packets, bytes } },
})
const set = (elem: readonly unknown[]) =>
  parseNftCounters(JSON.stringify({ nftables: [{ metainfo: {} }, { set: { name: 's', elem } }] }))
const map = (elem: readonly unknown[]) =>
  parseNftCounters(JSON.stringify({ nftables: [{ map: { name: 'm', elem } }] }))

t.test('all destinations of a service port are summed, others left out', async t => {
  const vip = ['10.96.0.1', 'tcp', 80]
  const other = ['10.96.0.2', 'tcp', 80]
  const listings = {
    vips: map([
      [element(vip, 3, 180), '0:1'],
      [element(other, 7, 420), '0:2'],
    ]),
    'vips-inside': map([[element(vip, 1, 60), '0:3']]),
    nodeports: map([[element(['tcp', 30080], 2, 120), '0:1']]),
    'nodeports-inside': map([]),
    traffic: set([element(vip, 40, 4000), element(['10.96.0.9', 'tcp', 80], 9, 9)]),
    'traffic-nodeports': set([element(['tcp', 30080], 20, 2000)]),
  }
  const owners = [
    { name: 'vips 10.96.0.1 . tcp . 80', owner: 'web' },
    { name: 'nodeports tcp . 30080', owner: 'web' },
    { name: 'cluster-ips 10.96.0.1', owner: 'nobody' },
    { name: 'vips 10.96.0.2 . tcp . 80', owner: 'other' },
    { name: 'vips 10.96.0.3 . tcp . 80', owner: 'idle' },
  ]
  const sums = sumTraffic(
    owners,
    counting.map(place => [place, listings[place.name]] as const),
  )
  t.strictSame(Object.fromEntries(sums), {
    web: { connections: 6, packets: 60, bytes: 6000 },
    other: { connections: 7, packets: 0, bytes: 0 },
    idle: { connections: 0, packets: 0, bytes: 0 },
  })
})
