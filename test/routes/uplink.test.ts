import t from 'tap'
import type { LinkAddress } from '#linux/netlink/address.ts'
import type { Link } from '#linux/netlink/link.ts'
import type { IpAddress } from '#net/ip.ts'
import { formatPrefix } from '#net/prefix.ts'
import { uplinkOf } from '../../src/routes/uplink.ts'
import { prefix } from '../helper/routes.ts'

const link = (index: number, name: string, mtu: number): Link => ({
  index,
  name,
  mtu,
  isUp: true,
  isOperational: true,
  isPromiscuous: false,
})
const on = (linkIndex: number, text: string, isGlobal = true): LinkAddress => ({
  linkIndex,
  prefix: prefix(text),
  isGlobal,
  isTentative: false,
  isDuplicate: false,
})
const links = [link(1, 'lo', 65536), link(2, 'eth0', 9000), link(3, 'cni0', 1450)]
const addresses = [
  on(1, '127.0.0.1/8'),
  on(2, '192.0.2.1/24'),
  on(2, '198.51.100.1/25'),
  on(2, '192.0.2.7/32'),
  on(2, '2001:db8::1/64'),
  on(2, 'fe80::1/64', false),
  on(3, '10.244.1.1/24'),
]
const uplink = (text: string) => uplinkOf(text as IpAddress, links, addresses)

t.test('the link with the address, its MTU and all its subnets of that family', async t => {
  t.match(uplink('192.0.2.1'), { link: 'eth0', mtu: 9000 })
  t.strictSame(uplink('192.0.2.1')?.connected.map(formatPrefix), [
    '192.0.2.0/24',
    '198.51.100.0/25',
  ])
  t.strictSame(uplink('2001:db8::1')?.connected.map(formatPrefix), ['2001:db8::/64'])
})

t.test('an address that no link has', async t => t.equal(uplink('203.0.113.1'), undefined))
