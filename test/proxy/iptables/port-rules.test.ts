import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { ChangeTracker, type ServicePortState } from '../../../src/proxy/change-tracker.ts'
import { portRules } from '../../../src/proxy/iptables/port-rules.ts'
import { endpoint, service, slice } from '../../helper/cluster.ts'

const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
const change = { key: 'default/web', before: undefined } as const
tracker.apply({ ...change, kind: 'Service', after: service({ externalIPs: ['198.51.100.1'] }) })
const endpoints = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(address => endpoint(address))
tracker.apply({ ...change, kind: 'EndpointSlice', after: slice({ endpoints }) })
const [port] = tracker.stateOf('default/web') as [ServicePortState]
const options = {
  family: 4,
  detector: undefined,
  masqueradeAll: false,
  nodeIPs: [],
  isTerse: true,
} as const

const rulesOf = (prefix: string, changes: object = {}) =>
  portRules(port, { ...options, ...changes })
    .chains.filter(({ name }) => name.startsWith(prefix))
    .flatMap(({ rules }) => rules)

t.test('three endpoints share evenly: a third, half of the rest, the rest', async t => {
  // The kernel holds a chance in 31 bits, so a third is printed as it is.
  t.match(rulesOf('KUBE-SVC-'), [
    /^-m statistic --mode random --probability 0\.33333333349 -j KUBE-SEP-/,
    /^-m statistic --mode random --probability 0\.50000000000 -j KUBE-SEP-/,
    /^-j KUBE-SEP-/,
  ])
})

t.test('whose traffic to a cluster IP is masqueraded', async t => {
  const to = '-d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ'
  const prefix = parsePrefix('10.244.1.7/16') as IpPrefix
  const bridge = { by: 'interface', name: 'cbr0', isPrefix: false }
  const first = (changes: object) => rulesOf('KUBE-SVC-', changes)[0]
  t.notMatch(first({}), 'MASQ', 'without a detector nobody’s')
  t.equal(first({ detector: { by: 'source', prefix } }), `! -s 10.244.0.0/16 ${to}`)
  t.equal(first({ detector: bridge }), to.replace(' -p', ' ! -i cbr0 -p'))
  const veths = { by: 'interface', name: 'veth', isPrefix: true }
  t.equal(first({ detector: veths }), to.replace(' -p', ' ! -i veth+ -p'))
  t.equal(first({ detector: bridge, masqueradeAll: true }), to)
})

t.test('each chain leads only to earlier ones', async t => {
  const { chains } = portRules(port, options)
  const known = new Set(['KUBE-MARK-MASQ', 'DNAT'])
  for (const { name, rules } of chains) {
    for (const rule of rules) t.ok(known.has(/-j (\S+)/.exec(rule)?.[1] ?? ''), rule)
    known.add(name)
  }
})
