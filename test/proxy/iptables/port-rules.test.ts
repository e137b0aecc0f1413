import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { endpoint, servicePort, slice } from '../../helper/cluster.ts'
import { type options, tablesOf } from './tables-of.ts'

const detector = { by: 'source', prefix: parsePrefix('10.0.0.0/8') as IpPrefix } as const
const endpoints = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(address => endpoint(address))
const web = (changes: Partial<typeof options> = {}) =>
  tablesOf({ externalIPs: ['198.51.100.1'] }, [slice({ endpoints })], changes)

/** The rules of `default/web` in chains of one kind. */
const rulesOf = (prefix: string, changes: Partial<typeof options> = {}) =>
  [...web(changes)]
    .filter(([chain]) => chain.startsWith(`nat ${prefix}`))
    .flatMap(([, rules]) => rules.map(rule => rule.replace(/^-A \S+ /, '')))

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
  const bridge = { by: 'interface', name: 'cbr0', isPrefix: false } as const
  const first = (changes: Partial<typeof options>) => rulesOf('KUBE-SVC-', changes)[0]
  t.notMatch(first({}), 'MASQ', 'without a detector nobody’s')
  t.equal(first({ detector: { by: 'source', prefix } }), `! -s 10.244.0.0/16 ${to}`)
  t.equal(first({ detector: bridge }), to.replace(' -p', ' ! -i cbr0 -p'))
  const veths = { by: 'interface', name: 'veth', isPrefix: true } as const
  t.equal(first({ detector: veths }), to.replace(' -p', ' ! -i veth+ -p'))
  t.equal(first({ detector: bridge, masqueradeAll: true }), to)
})

t.test('each chain leads only to earlier ones', async t => {
  const known = new Set(['KUBE-MARK-MASQ', 'DNAT'])
  for (const [chain, rules] of web()) {
    const [, name = ''] = chain.split(' ')
    if (/^KUBE-\w+-\w{16}$/.test(name)) {
      for (const rule of rules) t.ok(known.has(/-j (\S+)/.exec(rule)?.[1] ?? ''), rule)
    }
    known.add(name)
  }
})

t.test(
  'clients are remembered for as long as the Service says, by their whole address',
  async t => {
    const expected = {
      4: '255.255.255.255',
      6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    }
    for (const [family, clusterIP, address] of [
      [4, '10.96.0.10', '10.0.0.1'],
      [6, 'fd00:96::10', 'fd00::1'],
    ] as const) {
      const tables = tablesOf(
        { clusterIP, affinityTimeoutSeconds: 77 },
        [slice({ addressType: `IPv${family}`, endpoints: [endpoint(address)] })],
        { family },
      )
      const rules = [...tables.values()].flat()
      const sep = /KUBE-SEP-\w+/.exec(rules.join())?.[0]
      const list = `--name ${sep} --mask ${expected[family]} --rsource`
      const remembered = rules.filter(rule => rule.includes('-m recent'))
      t.equal(remembered.length, 2)
      t.match(remembered[0], `-A ${sep} -p tcp -m recent --set ${list} -m tcp -j DNAT`)
      t.match(remembered[1], `-m recent --rcheck --seconds 77 --reap ${list} -j ${sep}`)
    }
  },
)

t.test('SCTP is matched and translated as SCTP, and nothing else is', async t => {
  const fields = {
    type: 'LoadBalancer' as const,
    loadBalancerIngress: [{ ip: '1.2.3.4' }],
    externalIPs: ['192.168.99.22'],
    loadBalancerSourceRanges: ['203.0.113.0/25'],
  }
  const port = { name: '', protocol: 'SCTP', port: 7777 } as const
  const ports = [servicePort({ ...port, nodePort: 3005 })]
  const here = slice({ ports: [port], endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] })
  const served = tablesOf({ ...fields, ports }, [here], { detector })
  const lines = (tables: ReadonlyMap<string, readonly string[]>) => [...tables.values()].flat()
  const byPort = lines(served).filter(rule => rule.includes('--dport'))
  t.equal(
    byPort.length,
    6,
    'two of the cluster IP, two VIP and its firewall, externalIP, node port',
  )
  for (const rule of byPort) t.match(rule, /-p sctp .*-m sctp --dport (7777|3005) -j/)
  const translations = lines(served).filter(rule => rule.includes('-j DNAT'))
  t.equal(translations.length, 2)
  for (const rule of translations) {
    t.match(rule, /-p sctp .*-m sctp -j DNAT --to-destination 10\.0\.0\.[12]:7777$/)
  }
  const refused = lines(tablesOf({ ...fields, ports }, [], { detector }))
  t.equal(refused.length, 4)
  for (const rule of refused) {
    t.match(rule, /-p sctp .*-m sctp --dport \d+ -j REJECT --reject-with icmp-port-unreachable$/)
  }
  // A kernel without SCTP refuses rules with its match: none may stand where nobody asks for it.
  const others = tablesOf(fields, [slice({ endpoints })], { detector })
  t.notMatch(lines(others).join('\n'), /sctp/i)
})
