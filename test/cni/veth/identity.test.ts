import fc from 'fast-check'
import t from 'tap'
import type { Attachment } from '#cni/attachment.ts'
import { hostLinkAlias, hostLinkMark, hostLinkName } from '#cni/veth/identity.ts'

const attachment: Attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }

t.test('the name of the host end is a legal one and depends on all three parts', async t => {
  const names = [
    attachment,
    { ...attachment, network: 'other' },
    { ...attachment, containerId: 'other' },
    { ...attachment, ifname: 'net1' },
    // Moved borders between the parts make another attachment.
    { network: 'neta', containerId: 'bc', ifname: 'eth0' },
  ].map(hostLinkName)
  t.equal(new Set(names).size, names.length)
  for (const name of names) t.match(name, /^veth[0-9a-f]{11}$/)
})

t.test('the alias begins with the mark of its network and names the attachment', async t => {
  const alias = hostLinkAlias(attachment)
  t.ok(alias.startsWith(`${hostLinkMark('net')} `))
  t.match(alias, / net abc eth0$/)
  t.notOk(alias.startsWith(`${hostLinkMark('other')} `))
})

t.test('the alias fits into what the kernel takes, whatever the names', async t => {
  const text = fc.string({ unit: 'grapheme', maxLength: 400 })
  fc.assert(
    fc.property(text, text, text, (network, containerId, ifname) => {
      const alias = hostLinkAlias({ network, containerId, ifname })
      t.ok(Buffer.byteLength(alias) <= 255)
    }),
  )
})
