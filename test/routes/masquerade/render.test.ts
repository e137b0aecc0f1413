import t from 'tap'
import {
  ourRules,
  renderIptables,
  renderIptablesRemoval,
} from '../../../src/routes/masquerade/iptables-render.ts'
import { renderNftTable } from '../../../src/routes/masquerade/nft-render.ts'
import type { Masquerade } from '../../../src/routes/plan.ts'
import { prefix } from '../../helper/routes.ts'

const masquerade: Masquerade = {
  family: 4,
  pods: [prefix('10.244.1.0/24')],
  inside: [prefix('10.244.0.0/16'), prefix('192.0.2.2/32')],
  tunnel: 'nodeplane-vx4',
}

t.test('nftables: inside the cluster sources stay, before the source NAT of Services', async t => {
  const lines = renderNftTable(masquerade).split('\n')
  const has = (line: string) => t.ok(lines.includes(line), line)
  has('add element ip nodeplane_routes pods { 10.244.1.0/24 }')
  has('add element ip nodeplane_routes inside { 10.244.0.0/16, 192.0.2.2/32 }')
  has('add chain ip nodeplane_routes postrouting { type nat hook postrouting priority 90; }')
  const order = [
    'saddr != @pods return',
    'daddr @inside return',
    'fib daddr type',
    'masquerade fully-random',
  ]
  const places = order.map(part =>
    lines.findIndex(line => line.startsWith('add rule') && line.includes(part)),
  )
  t.notOk(places.includes(-1))
  t.strictSame(
    places,
    places.toSorted((a, b) => a - b),
  )
})

t.test('nftables: segment sizes only where there is a tunnel', async t => {
  t.match(renderNftTable(masquerade), /forward oifname "nodeplane-vx4" .* maxseg size set rt mtu/)
  t.notMatch(renderNftTable({ ...masquerade, tunnel: undefined }), 'maxseg')
})

t.test('nftables: no empty list of elements, which nft refuses', async t => {
  t.notMatch(renderNftTable({ ...masquerade, pods: [], inside: [] }), 'add element')
})

const rules = (text: string) => text.split('\n').filter(line => /^-[AID] /.test(line))

t.test(
  'iptables: the same in the tables nat and mangle, with the jumps that are missing',
  async t => {
    const jump = '-A POSTROUTING -j NODEPLANE-ROUTES'
    const wanted = [
      '-A NODEPLANE-ROUTES -d 10.244.0.0/16 -j RETURN',
      '-A NODEPLANE-ROUTES -d 192.0.2.2/32 -j RETURN',
      '-A NODEPLANE-ROUTES -d 224.0.0.0/4 -j RETURN',
      '-A NODEPLANE-ROUTES -m addrtype --dst-type LOCAL -j RETURN',
      '-A NODEPLANE-ROUTES -s 10.244.1.0/24 -j MASQUERADE --random-fully',
      '-I POSTROUTING -j NODEPLANE-ROUTES',
      '-A NODEPLANE-ROUTES -o nodeplane-vx4 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
      '-I FORWARD -j NODEPLANE-ROUTES',
    ]
    t.strictSame(rules(renderIptables(masquerade, '')), wanted)
    const saved = `*nat\n:NODEPLANE-ROUTES - [0:0]\n${jump}\nCOMMIT\n`
    t.strictSame(
      rules(renderIptables(masquerade, saved)),
      wanted.filter(line => line !== '-I POSTROUTING -j NODEPLANE-ROUTES'),
    )
  },
)

const SAVED = `*mangle
:FORWARD ACCEPT [12:34]
:NODEPLANE-ROUTES - [0:0]
-A FORWARD -j NODEPLANE-ROUTES
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:NODEPLANE-ROUTES - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A NODEPLANE-ROUTES -s 10.244.1.0/24 -j MASQUERADE --random-fully
COMMIT
`
t.test('iptables: the removal takes what is ours and there', async t => {
  t.strictSame(rules(renderIptablesRemoval(SAVED) ?? ''), ['-D FORWARD -j NODEPLANE-ROUTES'])
  t.match(renderIptablesRemoval(SAVED), /\*nat\n-F NODEPLANE-ROUTES\n-X NODEPLANE-ROUTES\nCOMMIT/)
  t.equal(renderIptablesRemoval('*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n'), undefined)
  t.equal(renderIptablesRemoval(''), undefined)
})

t.test('iptables: counters and rules of others are no change of ours', async t => {
  const other = SAVED.replace('[12:34]', '[99:99]').replace(/^.*docker0.*\n/m, '')
  t.equal(ourRules(other), ourRules(SAVED))
  t.not(ourRules(SAVED.replace('10.244.1.0', '10.244.7.0')), ourRules(SAVED))
})
