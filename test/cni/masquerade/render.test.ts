import t from 'tap'
import { type Attachment, attachmentMark } from '#cni/attachment.ts'
import {
  renderMasqueradeElements,
  renderMasqueradeRemoval,
  renderMasqueradeTable,
} from '#cni/masquerade/render.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }
const both = [prefix('10.22.0.5/24'), prefix('fd00:22::5/64')]

t.test('the table: multicast and the subnet itself return before the masquerade', async t => {
  t.same(renderMasqueradeTable(both).trim().split('\n'), [
    'add table inet nodeplane_cni',
    'add map inet nodeplane_cni masquerade4 { type ipv4_addr : verdict; }',
    'add map inet nodeplane_cni masquerade6 { type ipv6_addr : verdict; }',
    'add chain inet nodeplane_cni postrouting { type nat hook postrouting priority srcnat; }',
    'flush chain inet nodeplane_cni postrouting',
    'add rule inet nodeplane_cni postrouting ip daddr 224.0.0.0/4 return',
    'add rule inet nodeplane_cni postrouting ip6 daddr ff00::/8 return',
    'add rule inet nodeplane_cni postrouting ip saddr vmap @masquerade4',
    'add rule inet nodeplane_cni postrouting ip6 saddr vmap @masquerade6',
    'add chain inet nodeplane_cni outside_10.22.0.0/24',
    'flush chain inet nodeplane_cni outside_10.22.0.0/24',
    'add rule inet nodeplane_cni outside_10.22.0.0/24 ip daddr 10.22.0.0/24 return',
    'add rule inet nodeplane_cni outside_10.22.0.0/24 masquerade',
    'add chain inet nodeplane_cni outside_fd00_22__/64',
    'flush chain inet nodeplane_cni outside_fd00_22__/64',
    'add rule inet nodeplane_cni outside_fd00_22__/64 ip6 daddr fd00:22::/64 return',
    'add rule inet nodeplane_cni outside_fd00_22__/64 masquerade',
  ])
})

t.test('an attachment is one element per address, with its mark as comment', async t => {
  const mark = attachmentMark(attachment)
  t.same(renderMasqueradeElements(attachment, both).trim().split('\n'), [
    `create element inet nodeplane_cni masquerade4 { 10.22.0.5 comment "${mark} net abc eth0" : goto outside_10.22.0.0/24 }`,
    `create element inet nodeplane_cni masquerade6 { fd00:22::5 comment "${mark} net abc eth0" : goto outside_fd00_22__/64 }`,
  ])
})

t.test('elements are removed by their addresses', async t => {
  const elements = both.map(({ family, address }) => ({ family, address, comment: '' }))
  t.equal(
    renderMasqueradeRemoval(elements),
    'delete element inet nodeplane_cni masquerade4 { 10.22.0.5 }\n' +
      'delete element inet nodeplane_cni masquerade6 { fd00:22::5 }\n',
  )
})
