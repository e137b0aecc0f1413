import t from 'tap'
import { type Attachment, attachmentMark } from '#cni/attachment.ts'
import { renderReferenceSpoofRemoval } from '#cni/bridge/spoof/reference.ts'
import {
  parseSpoofListing,
  renderSpoofElements,
  renderSpoofRemoval,
} from '#cni/bridge/spoof/render.ts'
import { hostLinkName } from '#cni/veth/identity.ts'
import { type MacAddress, parseMac } from '#net/mac.ts'

const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }
const mac = parseMac('02:00:00:00:00:0a') as MacAddress
const port = hostLinkName(attachment)

t.test('an attachment is its port in one set, and port and MAC in another', async t => {
  const comment = `comment "${attachmentMark(attachment)} net abc eth0"`
  t.same(renderSpoofElements(attachment, mac).trim().split('\n'), [
    `create element bridge nodeplane_cni allowed { "${port}" . 02:00:00:00:00:0a ${comment} }`,
    `create element bridge nodeplane_cni guarded { "${port}" ${comment} }`,
  ])
})

t.test('elements are removed by the keys that nft lists', async t => {
  const comment = 'mark net abc eth0'
  const elem = [
    { elem: { val: { concat: [port, '02:00:00:00:00:0a'] }, comment } },
    // Somebody else's.
    { elem: { val: { concat: ['veth1', '02:00:00:00:00:0b'] } } },
  ]
  const listing = {
    nftables: [
      { metainfo: {} },
      { set: { name: 'allowed', elem } },
      { set: { name: 'guarded', elem: [{ elem: { val: port, comment } }] } },
      { set: { name: 'empty' } },
    ],
  }
  const elements = parseSpoofListing(JSON.stringify(listing))
  t.same(
    elements.map(each => each.comment),
    [comment, comment],
  )
  t.same(renderSpoofRemoval(elements).trim().split('\n'), [
    `delete element bridge nodeplane_cni allowed { "${port}" . 02:00:00:00:00:0a }`,
    `delete element bridge nodeplane_cni guarded { "${port}" }`,
  ])
})

t.test(
  "the reference's rules of an attachment are found by their comment, its chains by name",
  async t => {
    const own = 'cni-br-iface-abc-eth0'
    const listing = {
      nftables: [
        { chain: { name: 'PREROUTING' } },
        { chain: { name: own } },
        { chain: { name: `${own}-mac` } },
        { chain: { name: 'cni-br-iface-abc-net1' } },
        { rule: { chain: 'PREROUTING', handle: 7, comment: 'macspoofchk-abc-eth0' } },
        { rule: { chain: 'PREROUTING', handle: 8, comment: 'macspoofchk-abc-net1' } },
      ],
    }
    t.same(renderReferenceSpoofRemoval(JSON.stringify(listing), attachment).trim().split('\n'), [
      'delete rule bridge nat PREROUTING handle 7',
      `flush chain bridge nat ${own}`,
      `flush chain bridge nat ${own}-mac`,
      `delete chain bridge nat ${own}`,
      `delete chain bridge nat ${own}-mac`,
    ])
    t.equal(renderReferenceSpoofRemoval('{"nftables":[]}', attachment), '')
  },
)
