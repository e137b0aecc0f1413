import t from 'tap'
import { renderSharedRemoval } from '#cni/shared-chains.ts'

const nat = (more = '') => `*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -j CNI-HOSTPORT-MASQ
-A POSTROUTING -j KUBE-POSTROUTING
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
${more}COMMIT
`

const filter = (more = '') => `*filter
:FORWARD ACCEPT [0:0]
:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-ADMIN
${more}COMMIT
`

t.test('chains that no attachment uses go with the rules that lead to them', async t => {
  t.equal(
    renderSharedRemoval('nat', nat()),
    `*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-D POSTROUTING -j CNI-HOSTPORT-MASQ
-X CNI-HOSTPORT-DNAT
-X CNI-HOSTPORT-MASQ
COMMIT
`,
  )
  t.match(renderSharedRemoval('filter', filter()), /-D FORWARD .*\n-X CNI-ADMIN\n-X CNI-FORWARD\n/)
})

const kept: readonly { title: string; table: string; saved: string }[] = [
  { title: 'nothing is there', table: 'nat', saved: '*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n' },
  {
    title: 'a host port of an attachment',
    table: 'nat',
    saved: nat('-A CNI-HOSTPORT-DNAT -p tcp -m tcp --dport 8080 -j CNI-DN-1\n'),
  },
  {
    title: 'a rule of the administrator',
    table: 'filter',
    saved: filter('-A CNI-ADMIN -j DROP\n'),
  },
  {
    title: 'an attachment that the firewall lets through',
    table: 'filter',
    saved: filter('-A CNI-FORWARD -s 10.1.0.2/32 -j ACCEPT\n'),
  },
]
for (const { title, table, saved } of kept) {
  t.test(`all stays: ${title}`, async t => {
    t.equal(renderSharedRemoval(table, saved), undefined)
  })
}
