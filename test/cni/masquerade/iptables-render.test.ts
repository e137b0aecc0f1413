import t from 'tap'
import { type Attachment, attachmentMark } from '#cni/attachment.ts'
import { renderChainRemoval } from '#cni/iptables-text.ts'
import {
  masqueradeChain,
  parseMasqueradeEntries,
  renderIptablesMasquerade,
} from '#cni/masquerade/iptables-render.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix
const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }
const chain = masqueradeChain(attachment)
const comment = `-m comment --comment "${attachmentMark(attachment)} name: 'net' id: 'abc'"`

t.test('an attachment has a chain of its own: its subnet and multicast are left alone', async t => {
  t.match(chain, /^CNI-[0-9a-f]{24}$/)
  t.not(chain, masqueradeChain({ ...attachment, ifname: 'net1' }))
  t.same(renderIptablesMasquerade(attachment, [prefix('10.22.0.5/24')], '*nat\n').split('\n'), [
    '*nat',
    `:${chain} - [0:0]`,
    `-A ${chain} -s 10.22.0.5/32 -d 10.22.0.0/24 ${comment} -j RETURN`,
    `-A ${chain} -s 10.22.0.5/32 ! -d 224.0.0.0/4 ${comment} -j MASQUERADE`,
    `-A POSTROUTING -s 10.22.0.5/32 ${comment} -j ${chain}`,
    'COMMIT',
    '',
  ])
  t.match(
    renderIptablesMasquerade(attachment, [prefix('fd00:22::5/64')], ''),
    `-s fd00:22::5/128 ! -d ff00::/8 ${comment} -j MASQUERADE`,
  )
})

t.test('what a killed ADD left is replaced, and removed with the chain', async t => {
  const jump = `POSTROUTING -s 10.22.0.4/32 ${comment} -j ${chain}`
  const saved = `*nat\n:POSTROUTING ACCEPT [0:0]\n:${chain} - [0:0]\n-A ${jump}\n-A ${chain} -j RETURN\nCOMMIT\n`
  t.match(renderIptablesMasquerade(attachment, [prefix('10.22.0.5/24')], saved), `-D ${jump}\n`)
  t.equal(
    renderChainRemoval(saved, [chain, 'CNI-other']),
    `*nat\n-D ${jump}\n-F ${chain}\n-X ${chain}\nCOMMIT\n`,
  )
  t.equal(renderChainRemoval(saved, ['CNI-other']), undefined)
})

t.test('entries are read from what iptables-save prints, those of others are not', async t => {
  const words = String.raw`"${attachmentMark(attachment)} name: \'net\' id: \'abc\'"`
  const saved = [
    `-A POSTROUTING -s 10.22.0.5/32 -m comment --comment ${words} -j ${chain}`,
    '-A POSTROUTING -s 10.22.0.6/32 -m comment --comment "name: net" -j CNI-HOSTPORT-MASQ',
    `-A ${chain} -j MASQUERADE`,
    '',
  ].join('\n')
  t.match(parseMasqueradeEntries(`*nat\n${saved}`), [{ address: '10.22.0.5', chain }])
  t.equal(parseMasqueradeEntries(`*nat\n${saved}`).length, 1)
  const emptied = saved.replace(`-A ${chain} -j MASQUERADE`, '')
  t.same(
    parseMasqueradeEntries(`*nat\n${emptied}`),
    [],
    'a chain without rules masquerades nothing',
  )
})
