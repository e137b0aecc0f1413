import t from 'tap'
import type { Attachment } from '#cni/attachment.ts'
import { renderChainRemoval } from '#cni/iptables-text.ts'
import { referenceChain, renderReferenceNftRemoval } from '#cni/masquerade/reference-render.ts'

const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }

// What iptables-save 1.8.9 prints after an ADD of the reference bridge 1.1.1: SHA-512 of "netabc" begins 3ce8a092….
const saved = String.raw`*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-3ce8a0924fdef86d56ad1df1 - [0:0]
:CNI-ffffffffffffffffffffffff - [0:0]
-A POSTROUTING -s 10.22.0.2/32 -m comment --comment "name: \"net\" id: \"abc\"" -j CNI-3ce8a0924fdef86d56ad1df1
-A POSTROUTING -s 10.22.0.3/32 -m comment --comment "name: \"net\" id: \"other\"" -j CNI-ffffffffffffffffffffffff
-A CNI-3ce8a0924fdef86d56ad1df1 -d 10.22.0.0/24 -m comment --comment "name: \"net\" id: \"abc\"" -j ACCEPT
-A CNI-3ce8a0924fdef86d56ad1df1 ! -d 224.0.0.0/4 -m comment --comment "name: \"net\" id: \"abc\"" -j MASQUERADE
COMMIT
`

t.test('iptables: the jumps into the chain, then the chain, and nothing else', async t => {
  t.equal(
    renderChainRemoval(saved, [referenceChain(attachment)]),
    String.raw`*nat
-D POSTROUTING -s 10.22.0.2/32 -m comment --comment "name: \"net\" id: \"abc\"" -j CNI-3ce8a0924fdef86d56ad1df1
-F CNI-3ce8a0924fdef86d56ad1df1
-X CNI-3ce8a0924fdef86d56ad1df1
COMMIT
`,
  )
})

for (const [title, text] of Object.entries({ 'no rules at all': '', 'others only': saved })) {
  t.test(`iptables: nothing to do with ${title}`, async t => {
    t.equal(
      renderChainRemoval(text, [referenceChain({ ...attachment, containerId: 'x' })]),
      undefined,
    )
  })
}

t.test('nftables: the rules whose comment begins with the two hashes', async t => {
  // The first 16 hex digits of SHA-512 of "net" and of "eth0:abc".
  const mark = 'a4861f4ae9f7d238-e65086f8a75535c6'
  const rules = [
    { handle: 4, comment: `${mark}, net: net, if: eth0` },
    { handle: 5, comment: 'ffff-ffff, net: net' },
    { handle: 6 },
  ]
  const listing = { nftables: [{ metainfo: {} }, ...rules.map(rule => ({ rule }))] }
  t.equal(
    renderReferenceNftRemoval(JSON.stringify(listing), attachment),
    'delete rule inet cni_plugins_masquerade masq_checks handle 4\n',
  )
  t.equal(renderReferenceNftRemoval('{}', attachment), '')
})
