import t from 'tap'
import { attachmentMark } from '#cni/attachment.ts'
import { renderChainRemoval } from '#cni/iptables-text.ts'
import {
  attachmentChain,
  chainsMarked,
  referenceChain,
  renderAdd,
} from '#cni/portmap/iptables/render.ts'
import type { FamilyPlan } from '#cni/portmap/plan.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const attachment = { network: 'net', containerId: 'abc', ifname: 'eth0' }
const chain = attachmentChain(attachment)
const plan: FamilyPlan = {
  family: 4,
  mappings: [
    {
      protocol: 'TCP',
      hostIP: '192.0.2.1' as IpAddress,
      hostPort: 8080,
      target: '10.22.0.5' as IpAddress,
      targetPort: 80,
    },
  ],
  hidden: [parsePrefix('10.22.0.0/24') as IpPrefix],
  conditions: ['!', '-s', '10.0.0.0/8'],
}
const entry = `-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "${attachmentMark(attachment)} dnat" -j ${chain}`
const saved = ['*nat', ':OUTPUT ACCEPT [0:0]', `:${chain} - [0:0]`, entry, 'COMMIT', ''].join('\n')

t.test('an attachment has a chain, entered by each mapping under its conditions', async t => {
  const text = renderAdd(attachment, plan, { saved: '', markBit: 13, setMarkChain: undefined })
  t.match(text, `\n:${chain} - [0:0]\n`)
  t.match(text, /--set-xmark 0x2000\/0x2000\n/)
  t.match(
    text,
    /-A CNI-HOSTPORT-DNAT -d 192\.0\.2\.1 -p tcp -m tcp --dport 8080 ! -s 10\.0\.0\.0\/8 -m comment --comment "[^"]+ dnat name: 'net' id: 'abc'" -j CNI-DN-/,
  )
  const own = text.split('\n').filter(line => line.startsWith(`-A ${chain} `))
  t.strictSame(own, [
    `-A ${chain} -s 10.22.0.0/24 -d 192.0.2.1 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK`,
    `-A ${chain} -d 192.0.2.1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.22.0.5:80`,
  ])
})

t.test('a chain of somebody else may mark', async t => {
  const text = renderAdd(attachment, plan, {
    saved: '',
    markBit: 13,
    setMarkChain: 'KUBE-MARK-MASQ',
  })
  t.match(text, /-j KUBE-MARK-MASQ\n/)
})

t.test('what was there of the attachment is taken away first', async t => {
  const text = renderAdd(attachment, plan, { saved, markBit: 0, setMarkChain: undefined })
  t.ok(text.indexOf(entry.replace('-A', '-D')) < text.indexOf('-A CNI-HOSTPORT-DNAT'))
  t.match(text, /--set-xmark 0x1\/0x1\n/)
})

t.test(
  'removal knows our chain and the reference plugin’s, and is nothing when none is there',
  async t => {
    t.equal(renderChainRemoval('*nat\nCOMMIT\n', [chain]), undefined)
    t.equal(
      renderChainRemoval(saved, [chain, referenceChain(attachment)]),
      `*nat\n${entry.replace('-A', '-D')}\n-F ${chain}\n-X ${chain}\nCOMMIT\n`,
    )
    // First 21 hexadecimal digits of SHA-512("netabc").
    t.equal(referenceChain(attachment), `CNI-DN-${SHA512_NETABC}`)
  },
)
const SHA512_NETABC = '3ce8a0924fdef86d56ad1'

t.test('GC finds chains by the marks of their entries', async t => {
  t.strictSame(
    chainsMarked(saved, mark => mark === attachmentMark(attachment)),
    [chain],
  )
  t.strictSame(
    chainsMarked(saved, () => false),
    [],
  )
})
