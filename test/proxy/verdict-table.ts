// The table of traffic policies: what becomes of a connection by where it comes from, where it goes to, the policies of
// the Service and the endpoints it has. Each backend leads packets through the rules that it wrote.
import t from 'tap'
import type { Service } from '#cluster/objects.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import type { Protocol } from '#net/protocol.ts'
import type { ServiceStates } from '../../src/proxy/backend.ts'
import { ChangeTracker } from '../../src/proxy/change-tracker.ts'
import type { LocalDetector } from '../../src/proxy/local-detector.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import type { Fate, Packet, Place } from './nftables/interpreter.ts'

/** Leads the first packet of a connection through rules. */
export type Trace = (packet: Packet, place: Place) => Fate

/** A backend under test, and where it is known to differ. */
export type VerdictBackend = {
  /** The rules for these Services, as a way for packets. */
  program(options: {
    readonly family: IpFamily
    readonly states: ServiceStates
    readonly detector: LocalDetector | undefined
    readonly masqueradeAll: boolean
    readonly nodeName: string
    readonly nodeIPs: readonly IpAddress[]
  }): Promise<Trace>
  /** What becomes of this node's own connections to external addresses of a Service without endpoints. */
  readonly ownToUnserved: 'accept' | 'reset'
  /** What becomes of connections from outside the source ranges of a Service without endpoints. */
  readonly outsiderToUnserved: 'drop' | 'reset'
  /** What a policy does with a client that the other policy sent to another endpoint meanwhile. */
  readonly afterOtherPolicy: 'it stays' | 'it moves'
}

/** The same network in both families: the address of a thing by its number. */
const addressing = {
  4: (text: string) => text,
  6: (text: string) => `fd00:${text.replace(/\.([0-9]+)$/, '::$1').replaceAll('.', ':')}`,
}
const clusterCIDRs = { 4: '10.244.0.0/16', 6: 'fd00:10:244::/48' }
const things = {
  pod: '10.244.1.9',
  podElsewhere: '10.244.7.9',
  node: '192.168.50.1',
  /** An address of this node among those of its pods. */
  bridge: '10.244.1.1',
  outside: '203.0.113.9',
  clusterIP: '10.96.1.1',
  externalIP: '198.51.100.1',
  vip: '198.51.100.2',
  here: '10.244.1.2',
  elsewhere: '10.244.2.2',
}
const NODE_PORT = 30080

/** Where pods of this node come in; by the other link comes everybody else. */
const POD_LINK = 'cbr0'
const OTHER_LINK = 'eth0'
type By = 'source' | 'interface' | 'interface prefix' | 'nothing'
const detectorOf = (by: By, family: IpFamily): LocalDetector | undefined => {
  switch (by) {
    case 'source':
      return { by, prefix: parsePrefix(clusterCIDRs[family]) as IpPrefix }
    case 'interface':
      return { by, name: POD_LINK, isPrefix: false }
    case 'interface prefix':
      return { by: 'interface', name: 'cb', isPrefix: true }
    case 'nothing':
      return undefined
  }
}

type Setting = {
  readonly family: IpFamily
  readonly fields: Partial<Service>
  readonly endpoints: readonly ('here' | 'elsewhere')[]
  /** How pod traffic is told; by its source when not given. */
  readonly by?: By
  readonly masqueradeAll?: boolean
  /** TCP when not given. */
  readonly protocol?: Protocol
}

/** The rules for one Service, `web`, port 80 and its node port. */
async function rulesOf(backend: VerdictBackend, setting: Setting): Promise<Trace> {
  const { family, fields, endpoints, by = 'source', masqueradeAll = false } = setting
  const { protocol = 'TCP' } = setting
  const at = addressing[family]
  const place = { nodeName: 'node-1' }
  const tracker = new ChangeTracker(family, place)
  const object = service({
    type: 'LoadBalancer',
    clusterIP: at(things.clusterIP),
    ports: [servicePort({ protocol, nodePort: NODE_PORT })],
    externalIPs: [at(things.externalIP)],
    loadBalancerIngress: [{ ip: at(things.vip) }],
    ...fields,
  })
  const slices = slice({
    addressType: `IPv${family}`,
    ports: [{ name: '', protocol, port: 8080 }],
    endpoints: endpoints.map(name =>
      endpoint(at(things[name]), { nodeName: name === 'here' ? 'node-1' : 'node-2' }),
    ),
  })
  const change = { before: undefined, key: 'default/web' } as const
  tracker.apply({ ...change, kind: 'Service', after: object })
  tracker.apply({ ...change, kind: 'EndpointSlice', after: slices })
  return await backend.program({
    family,
    states: [['default/web', tracker.stateOf('default/web')]],
    detector: detectorOf(by, family),
    masqueradeAll,
    nodeName: place.nodeName,
    nodeIPs: [at(things.node) as IpAddress],
  })
}

type Source = 'pod' | 'podElsewhere' | 'node' | 'bridge' | 'outside' | 'vip'
type To = 'clusterIP' | 'externalIP' | 'vip' | 'nodePort'

const linkOf = (source: Source): Pick<Packet, 'iifname'> => {
  if (source === 'pod') return { iifname: POD_LINK }
  return source === 'podElsewhere' || source === 'outside' ? { iifname: OTHER_LINK } : {}
}

type FateOptions = {
  /** Of which endpoint a connection that may choose takes, a connection for each. */
  readonly choices?: readonly number[]
  readonly protocol?: Protocol
}

/**
 * `here elsewhere`: to one of these; with `masq`: masqueraded; or `drop`, `reset`, `accept` (left alone).
 */
function fateOf(
  trace: Trace,
  family: IpFamily,
  source: Source,
  to: To,
  { choices = [0, 1], protocol = 'TCP' }: FateOptions = {},
): string {
  const at = addressing[family]
  const packet = {
    saddr: at(things[source]),
    daddr: at(to === 'nodePort' ? things.node : things[to]),
    protocol: protocol.toLowerCase(),
    dport: to === 'nodePort' ? NODE_PORT : 80,
    ...linkOf(source),
    // By which both endpoints are reached: what the node sends there must not pass for a pod's.
    oifname: POD_LINK,
  }
  const local = [at(things.node), at(things.bridge), ...(source === 'vip' ? [at(things.vip)] : [])]
  const fates = choices.map(number => trace(packet, { local, random: n => number % n }))
  const words = fates.map(({ verdict, dnat, isMasqueraded }) => {
    const name = Object.entries(things).find(([, ip]) => dnat === `${at(ip)} . 8080`)?.[0]
    return `${name ?? verdict}${isMasqueraded ? ' masq' : ''}`
  })
  return [...new Set(words)].sort().join(', ')
}

const HERE: Setting['endpoints'] = ['here']
const both = 'elsewhere, here'
const bothMasq = 'elsewhere masq, here masq'
const external = ['externalIP', 'vip', 'nodePort'] as const
const sources = ['pod', 'podElsewhere', 'node', 'bridge', 'outside'] as const
const local = { externalTrafficPolicy: 'Local' } as const
const internal = { internalTrafficPolicy: 'Local' } as const

type Row = {
  readonly title: string
  readonly fields: Partial<Service>
  readonly endpoints: Setting['endpoints']
  /** Those that tell pods of this node; each when not given. */
  readonly detectors?: readonly By[]
  readonly masqueradeAll?: boolean
  /** From a pod, the node, outside. */
  readonly clusterIP: readonly [string, string, string]
  readonly external: readonly [string, string, string]
}
const everyDetector: readonly By[] = ['source', 'interface', 'interface prefix']
const all = (text: string) => [text, text, text] as const
const rows: readonly Row[] = [
  {
    title: 'both policies Cluster',
    fields: {},
    endpoints: ['here', 'elsewhere'],
    clusterIP: [both, bothMasq, bothMasq],
    external: all(bothMasq),
  },
  {
    title: 'external policy Local',
    fields: local,
    endpoints: ['here', 'elsewhere'],
    clusterIP: [both, bothMasq, bothMasq],
    external: [both, bothMasq, 'here'],
  },
  {
    title: 'external policy Local, endpoints elsewhere only',
    fields: local,
    endpoints: ['elsewhere'],
    clusterIP: ['elsewhere', 'elsewhere masq', 'elsewhere masq'],
    external: ['elsewhere', 'elsewhere masq', 'drop'],
  },
  {
    title: 'internal policy Local',
    fields: internal,
    endpoints: ['here', 'elsewhere'],
    clusterIP: ['here', 'here masq', 'here masq'],
    external: all(bothMasq),
  },
  {
    title: 'internal policy Local, endpoints elsewhere only',
    fields: internal,
    endpoints: ['elsewhere'],
    clusterIP: all('drop'),
    external: all('elsewhere masq'),
  },
  {
    title: 'both policies Local, endpoints elsewhere only',
    fields: { ...internal, ...local },
    endpoints: ['elsewhere'],
    clusterIP: all('drop'),
    external: ['elsewhere', 'elsewhere masq', 'drop'],
  },
  ...[{}, internal, local].map(
    (fields): Row => ({
      title: `no endpoint, ${JSON.stringify(fields)}`,
      fields,
      endpoints: [],
      clusterIP: all('reset'),
      external: all('reset'),
    }),
  ),
  {
    title: 'external policy Local without a detector: pods are like the outside',
    fields: local,
    endpoints: ['elsewhere'],
    detectors: ['nothing'],
    clusterIP: all('elsewhere'),
    external: ['drop', 'elsewhere masq', 'drop'],
  },
  {
    title: 'masqueradeAll is for cluster IPs alone',
    fields: local,
    endpoints: ['here', 'elsewhere'],
    masqueradeAll: true,
    clusterIP: all(bothMasq),
    external: [both, bothMasq, 'here'],
  },
  {
    title: 'masqueradeAll needs no detector',
    fields: local,
    endpoints: ['here', 'elsewhere'],
    detectors: ['nothing'],
    masqueradeAll: true,
    clusterIP: all(bothMasq),
    external: ['here', bothMasq, 'here'],
  },
]

/** The column of a source: some are pods by their address, not by the link they come in by. */
function columnOf(source: (typeof sources)[number], by: By): 0 | 1 | 2 {
  const isInside = by === 'source' || by === 'nothing'
  if (source === 'podElsewhere') return isInside ? 0 : 2
  if (source === 'bridge') return by === 'source' ? 0 : 1
  return ({ pod: 0, node: 1, outside: 2 } as const)[source]
}

const protocols = ['TCP', 'UDP', 'SCTP'] as const

/** Only TCP is refused by a reset. */
const refusedAs = (fate: string, protocol: Protocol) =>
  fate === 'reset' && protocol !== 'TCP' ? 'reject' : fate

/** The tests of the whole table, in both families. */
export function testVerdicts(backend: VerdictBackend): void {
  for (const family of [4, 6] as const) {
    for (const protocol of protocols) {
      for (const { title, detectors = everyDetector, ...row } of rows) {
        for (const by of protocol === 'TCP' ? detectors : detectors.slice(0, 1)) {
          t.test(`IPv${family} ${protocol}: ${title}; pods by ${by}`, async t => {
            const rules = await rulesOf(backend, { family, protocol, by, ...row })
            for (const source of sources) {
              const fate = (to: To) => fateOf(rules, family, source, to, { protocol })
              const column = columnOf(source, by)
              const want = refusedAs(row.clusterIP[column], protocol)
              t.equal(fate('clusterIP'), want, `${source} to clusterIP`)
              for (const to of external) {
                const isOwn = source === 'node' || source === 'bridge'
                const differs = isOwn && to !== 'nodePort' && row.endpoints.length === 0
                const outcome = differs ? backend.ownToUnserved : row.external[column]
                t.equal(fate(to), refusedAs(outcome, protocol), `${source} to ${to}`)
              }
            }
          })
        }
      }

      t.test(`IPv${family} ${protocol}: other protocols do not reach the endpoints`, async t => {
        const rules = await rulesOf(backend, { family, protocol, fields: {}, endpoints: HERE })
        for (const other of protocols.filter(name => name !== protocol)) {
          for (const to of ['clusterIP', ...external] as const) {
            const fate = fateOf(rules, family, 'pod', to, { protocol: other })
            t.match(fate, /^(accept|reject|reset)$/, `${other} to ${to}`)
          }
        }
      })
    }

    const at = addressing[family]
    const ranges = (...names: readonly (keyof typeof things)[]) => ({
      loadBalancerSourceRanges: names.map(name => `${at(things[name])}/${family === 4 ? 32 : 128}`),
    })
    const restricted: readonly {
      readonly title: string
      readonly fields: Partial<Service>
      readonly endpoints?: Setting['endpoints']
      readonly want: Partial<Record<Source, string>>
    }[] = [
      {
        title: 'others are dropped, pods and this node too',
        fields: ranges('outside'),
        want: { outside: 'here masq', pod: 'drop', node: 'drop', vip: 'drop' },
      },
      {
        title: 'a range that holds this node holds its VIP as well',
        fields: ranges('node'),
        want: { outside: 'drop', node: 'here masq', vip: 'here masq' },
      },
      {
        title: 'with external policy Local',
        fields: { ...ranges('outside', 'pod'), ...local },
        want: { outside: 'here', pod: 'here', podElsewhere: 'drop', node: 'drop' },
      },
      {
        title: 'without endpoints who may come is refused',
        fields: ranges('outside'),
        endpoints: [],
        want: { outside: 'reset', pod: backend.outsiderToUnserved },
      },
    ]
    for (const { title, fields, endpoints = HERE, want } of restricted) {
      t.test(`IPv${family}: source ranges: ${title}`, async t => {
        const rules = await rulesOf(backend, { family, fields, endpoints })
        for (const [source, fate] of Object.entries(want)) {
          t.equal(fateOf(rules, family, source as Source, 'vip'), fate, source)
        }
        const elsewhere = fateOf(rules, family, 'podElsewhere', 'externalIP')
        t.not(elsewhere, 'drop', 'external IPs are not restricted')
        t.not(fateOf(rules, family, 'podElsewhere', 'nodePort'), 'drop', 'nor are node ports')
      })
    }

    t.test(`IPv${family}: a VIP of ipMode Proxy is left alone`, async t => {
      const loadBalancerIngress = [{ ip: at(things.vip), ipMode: 'Proxy' }]
      const rules = await rulesOf(backend, {
        family,
        fields: { loadBalancerIngress },
        endpoints: ['here'],
      })
      for (const source of sources) t.equal(fateOf(rules, family, source, 'vip'), 'accept')
    })

    t.test(`IPv${family}: a cluster IP port that is a node port is not masqueraded`, async t => {
      const ports = [servicePort({ port: 80, nodePort: 80 })]
      const rules = await rulesOf(backend, { family, fields: { ports }, endpoints: ['here'] })
      t.equal(fateOf(rules, family, 'pod', 'clusterIP'), 'here')
      // The same for a VIP of a Service under another policy.
      const other = await rulesOf(backend, {
        family,
        fields: { ports, ...local },
        endpoints: ['here'],
      })
      t.equal(fateOf(other, family, 'outside', 'vip'), 'here')
    })

    t.test(`IPv${family}: an external IP that is a node address wins over node ports`, async t => {
      const fields = {
        externalIPs: [at(things.node)],
        ports: [servicePort({ port: NODE_PORT, nodePort: NODE_PORT })],
      }
      const rules = await rulesOf(backend, { family, fields, endpoints: ['here'] })
      t.equal(fateOf(rules, family, 'outside', 'nodePort'), 'here masq')
    })

    t.test(`IPv${family}: with affinity a client stays, on all addresses`, async t => {
      const fields = { affinityTimeoutSeconds: 60 }
      const rules = await rulesOf(backend, { family, fields, endpoints: ['here', 'elsewhere'] })
      const first = fateOf(rules, family, 'pod', 'clusterIP')
      t.ok(first === 'here' || first === 'elsewhere', first)
      for (const to of external) t.equal(fateOf(rules, family, 'pod', to), `${first} masq`)
      const others = sources.map(source => fateOf(rules, family, source, 'clusterIP'))
      t.notOk(others.some(fate => fate.includes(',')))
    })

    t.test(`IPv${family}: with affinity and external policy Local`, async t => {
      const rules = await rulesOf(backend, {
        family,
        fields: { affinityTimeoutSeconds: 60, ...local },
        endpoints: ['here', 'elsewhere'],
      })
      const fate = (source: Source, to: To, choice = 0) =>
        fateOf(rules, family, source, to, { choices: [choice] })
      const chosen = fate('pod', 'clusterIP', 1)
      t.equal(chosen, 'elsewhere')
      for (const to of external) t.equal(fate('pod', to), chosen, 'a pod stays, on all addresses')
      t.equal(fate('outside', 'clusterIP', 1), 'elsewhere masq')
      t.equal(fate('outside', 'clusterIP'), 'elsewhere masq', 'a client outside stays')
      for (const to of external) t.equal(fate('outside', to), 'here', 'only what is here serves')
      const after = backend.afterOtherPolicy === 'it stays' ? 'elsewhere masq' : 'here masq'
      t.equal(fate('outside', 'clusterIP'), after)
    })
  }
}
