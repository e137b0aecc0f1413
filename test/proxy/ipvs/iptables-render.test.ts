import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import { parsePrefix } from '#net/prefix.ts'
import {
  type IptablesOptions,
  jumpRule,
  jumps,
  ownChains,
  renderChains,
  type Table,
} from '../../../src/proxy/ipvs/iptables-render.ts'
import type { Facts } from '../../../src/proxy/ipvs/plan.ts'
import { type SetKind, setKinds, setName } from '../../../src/proxy/ipvs/sets.ts'

const pods = { by: 'source', prefix: parsePrefix('10.244.0.0/16') as never } as const
const options: IptablesOptions = {
  family: 4,
  detector: pods,
  masqueradeAll: false,
  masqueradeBit: 14,
}
const facts = (...sets: readonly SetKind[]): Facts => ({ sets: new Set(sets), barred: [] })
const rulesOf = (
  table: Table,
  chain: string,
  given: Facts,
  changed: Partial<IptablesOptions> = {},
) => renderChains({ ...options, ...changed }, given)[table][chain] ?? []
const set = (name: string, sides: string) => `-m set --match-set KUBE-${name} ${sides}`

t.test('without Services there are only the rules that no set decides about', async t => {
  const services = rulesOf('nat', 'KUBE-SERVICES', facts())
  t.strictSame(services, [
    '-s 127.0.0.0/8 -j RETURN',
    '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
  ])
  t.strictSame(rulesOf('nat', 'KUBE-NODE-PORT', facts()), [])
  t.strictSame(rulesOf('filter', 'KUBE-PROXY-FIREWALL', facts()), [])
  t.strictSame(rulesOf('filter', 'KUBE-SOURCE-RANGES-FIREWALL', facts()), ['-j DROP'])
  t.strictSame(rulesOf('filter', 'KUBE-IPVS-OUT-FILTER', facts()), [])
})

t.test('the way of a connection to a Service, every set in use', async t => {
  const all = facts(...setKinds)
  t.strictSame(rulesOf('nat', 'KUBE-SERVICES', all), [
    '-s 127.0.0.0/8 -j RETURN',
    `${set('LOAD-BALANCER', 'dst,dst')} -j KUBE-LOAD-BALANCER`,
    `! -s 10.244.0.0/16 ${set('CLUSTER-IP', 'dst,dst')} -j KUBE-MARK-MASQ`,
    `${set('EXTERNAL-IP', 'dst,dst')} -j KUBE-MARK-MASQ`,
    `${set('EXTERNAL-IP', 'dst,dst')} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT`,
    `${set('EXTERNAL-IP', 'dst,dst')} -m addrtype --dst-type LOCAL -j ACCEPT`,
    `${set('EXTERNAL-IP-LOCAL', 'dst,dst')} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT`,
    `${set('EXTERNAL-IP-LOCAL', 'dst,dst')} -m addrtype --dst-type LOCAL -j ACCEPT`,
    '-m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
    `${set('CLUSTER-IP', 'dst,dst')} -j ACCEPT`,
    `${set('LOAD-BALANCER', 'dst,dst')} -j ACCEPT`,
  ])
  t.strictSame(rulesOf('nat', 'KUBE-LOAD-BALANCER', all), [
    `${set('LOAD-BALANCER-LOCAL', 'dst,dst')} -j RETURN`,
    '-j KUBE-MARK-MASQ',
  ])
  t.strictSame(rulesOf('nat', 'KUBE-NODE-PORT', all), [
    `-p tcp ${set('NODE-PORT-LOCAL-TCP', 'dst')} -j RETURN`,
    `-p tcp ${set('NODE-PORT-TCP', 'dst')} -j KUBE-MARK-MASQ`,
    `-p udp ${set('NODE-PORT-LOCAL-UDP', 'dst')} -j RETURN`,
    `-p udp ${set('NODE-PORT-UDP', 'dst')} -j KUBE-MARK-MASQ`,
    `-p sctp ${set('NODE-PORT-LOCAL-SCTP-HASH', 'dst,dst')} -j RETURN`,
    `-p sctp ${set('NODE-PORT-SCTP-HASH', 'dst,dst')} -j KUBE-MARK-MASQ`,
  ])
  t.strictSame(rulesOf('nat', 'KUBE-POSTROUTING', all), [
    `${set('LOOP-BACK', 'dst,dst,src')} -j MASQUERADE`,
    '-m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-j MARK --set-xmark 0x4000/0x0',
    '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
  ])
  t.strictSame(rulesOf('filter', 'KUBE-SOURCE-RANGES-FIREWALL', all), [
    `${set('LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src')} -j RETURN`,
    `${set('LOAD-BALANCER-SOURCE-IP', 'dst,dst,src')} -j RETURN`,
    '-j DROP',
  ])
  t.strictSame(rulesOf('filter', 'KUBE-IPVS-FILTER', all), [
    ...['LOAD-BALANCER', 'CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL'].map(
      name => `${set(name, 'dst,dst')} -j RETURN`,
    ),
    `-p tcp ${set('HEALTH-CHECK-NODE-PORT', 'dst')} -j RETURN`,
    `-m conntrack --ctstate NEW ${set('IPVS-IPS', 'dst')} -j REJECT --reject-with icmp-port-unreachable`,
  ])
})

const detectors: readonly { title: string; options: Partial<IptablesOptions>; rule: string }[] = [
  {
    title: 'all of it',
    options: { masqueradeAll: true },
    rule: `${set('CLUSTER-IP', 'dst,dst')} -j`,
  },
  {
    title: 'without a detector what comes from the cluster IP: this node',
    options: { detector: undefined },
    rule: `${set('CLUSTER-IP', 'src,dst')} -j`,
  },
  {
    title: 'what does not come in by the bridge',
    options: { detector: { by: 'interface', name: 'cbr0', isPrefix: false } },
    rule: `! -i cbr0 ${set('CLUSTER-IP', 'dst,dst')} -j`,
  },
  {
    title: 'what does not come in by links with a prefix',
    options: { detector: { by: 'interface', name: 'veth', isPrefix: true } },
    rule: `! -i veth+ ${set('CLUSTER-IP', 'dst,dst')} -j`,
  },
]
for (const { title, options: changed, rule } of detectors) {
  t.test(`masqueraded on the way to a cluster IP: ${title}`, async t => {
    const rules = rulesOf('nat', 'KUBE-SERVICES', facts('CLUSTER-IP'), changed)
    t.equal(rules[1], `${rule} KUBE-MARK-MASQ`)
  })
}

t.test('the mark is the configured bit', async t => {
  const marking = rulesOf('nat', 'KUBE-MARK-MASQ', facts(), { masqueradeBit: 31 })
  t.strictSame(marking, ['-j MARK --set-xmark 0x80000000/0x80000000'])
})

// In the words of iptables-save 1.8: `proxy diff` compares with them.
const barredRules = [
  {
    family: 4,
    server: { protocol: 'TCP', address: '203.0.113.1', port: 80 },
    rule: '-s 203.0.113.1/32 -m ipvs --vproto 6 --vaddr 203.0.113.1 --vport 80 -j DROP',
  },
  {
    family: 4,
    server: { protocol: 'SCTP', address: '203.0.113.1', port: 80 },
    rule: '-s 203.0.113.1/32 -m ipvs --vproto 132 --vaddr 203.0.113.1 --vport 80 -j DROP',
  },
  {
    family: 6,
    server: { protocol: 'UDP', address: 'fd00:f::1', port: 53 },
    rule: '-s fd00:f::1/128 -m ipvs --vproto 17 --vaddr fd00:f::1 --vport 53 -j DROP',
  },
] as const
for (const { family, server, rule } of barredRules) {
  t.test(
    `the node may not use ${server.protocol} ${server.address}: its ranges leave it out`,
    async t => {
      const barred = [{ ...server, address: server.address as IpAddress }]
      const given = { sets: new Set<never>(), barred }
      t.strictSame(rulesOf('filter', 'KUBE-IPVS-OUT-FILTER', given, { family }), [rule])
    },
  )
}

t.test('IPv6 has sets of its own, with names that the kernel takes', async t => {
  t.equal(setName('CLUSTER-IP', 6), 'KUBE-6-CLUSTER-IP')
  t.equal(setName('LOAD-BALANCER-SOURCE-CIDR', 6), 'KUBE-6-LOAD-BALANCER-SOURCE-CID')
  for (const family of [4, 6] as const) {
    const names = setKinds.map(kind => setName(kind, family))
    t.equal(new Set(names).size, setKinds.length, 'they differ')
    t.ok(names.every(name => name.length <= 31))
  }
  const [loopback] = rulesOf('nat', 'KUBE-SERVICES', facts(), { family: 6 })
  t.equal(loopback, '-s ::1/128 -j RETURN')
})

// kube-proxy (pkg/proxy/ipvs/proxier.go, iptablesJumpChain): each is put at the head of its chain in this order.
const wantedJumps = [
  ['nat', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules'],
  ['filter', 'FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules'],
  ['filter', 'INPUT', 'KUBE-NODE-PORT', 'kubernetes health check rules'],
  ['filter', 'INPUT', 'KUBE-PROXY-FIREWALL', 'kube-proxy firewall rules'],
  ['filter', 'FORWARD', 'KUBE-PROXY-FIREWALL', 'kube-proxy firewall rules'],
  ['filter', 'INPUT', 'KUBE-IPVS-FILTER', 'kubernetes ipvs access filter'],
  ['filter', 'OUTPUT', 'KUBE-IPVS-OUT-FILTER', 'kubernetes ipvs access filter'],
]

t.test('jumps: from where, to where, in which order', async t => {
  t.strictSame(
    jumps.map(({ table, from, to, comment }) => [table, from, to, comment]),
    wantedJumps,
  )
  t.equal(
    jumpRule(jumps[3] as (typeof jumps)[0]),
    'FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
  )
})

t.test('masqueraded and established connections are forwarded, health checks let in', async t => {
  // No set decides about these.
  for (const given of [facts(), facts(...setKinds)]) {
    t.strictSame(rulesOf('filter', 'KUBE-FORWARD', given), [
      '-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
      '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ])
    t.strictSame(rulesOf('filter', 'KUBE-NODE-PORT', given), [
      `-p tcp -m comment --comment "Kubernetes health check node port" ${set('HEALTH-CHECK-NODE-PORT', 'dst')} -j ACCEPT`,
    ])
  }
})

t.test('every jump leads to a chain that is written, and every chain is reached', async t => {
  const chains = renderChains(options, facts(...setKinds))
  for (const table of ['nat', 'filter'] as const) {
    t.strictSame(Object.keys(chains[table]), ownChains(table))
    const rules = [
      ...Object.values(chains[table]).flat(),
      ...jumps.filter(jump => jump.table === table).map(jumpRule),
    ]
    for (const chain of ownChains(table)) {
      t.ok(
        rules.some(rule => rule.endsWith(`-j ${chain}`)),
        `${table} ${chain}`,
      )
    }
  }
})
