// What happens to Services while connections to them are open: nothing of it ends one.
import type t from 'tap'
import type { Service } from '#cluster/objects.ts'
import type { IpFamily } from '#net/ip.ts'
import { echoLines, holdConnection } from './held-connection.ts'
import { numbered, outcomesOn, slices, type To } from './numbered-services.ts'
import type { ProxyProcess } from './proxy-process.ts'
import type { TestPod, Topology } from './topology.ts'

export type HoldOptions = {
  readonly net: Topology
  readonly client: TestPod
  /** Where everything that is said comes back, port 8080. */
  readonly echo: TestPod
  /** Answers `a …` on port 8080. */
  readonly other: TestPod
  readonly families: readonly IpFamily[]
  readonly proxy: ProxyProcess
}

/** Its connections are led to a pod. */
const LED = 20
/** Its addresses are those of servers beside the cluster, which clients had found before there was such a Service. */
const DIRECT = 21

const anywhere = { externalTrafficPolicy: 'Cluster', internalTrafficPolicy: 'Cluster' } as const
const local = { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' } as const
const nobody = { loadBalancerSourceRanges: ['192.0.2.1/32', '2001:db8::1/128'] }

type Step = {
  readonly title: string
  /** What is new, if it is. */
  readonly fields?: Partial<Service>
  readonly pods?: readonly [here: readonly TestPod[], elsewhere: readonly TestPod[]]
  /** What becomes of new connections. */
  readonly fresh: Readonly<Partial<Record<To, RegExp>>>
}

const all = (outcome: RegExp) => ({ clusterIP: outcome, vip: outcome, nodePort: outcome })
const steps = ({ echo, other }: HoldOptions): readonly Step[] => [
  {
    title: 'source ranges without the client',
    fields: nobody,
    fresh: { vip: /^TIMEOUT$/ },
  },
  {
    title: 'policies Local, and the endpoint is elsewhere',
    fields: local,
    pods: [[], [echo]],
    fresh: all(/^TIMEOUT$/),
  },
  { title: 'another endpoint', fields: anywhere, pods: [[other], []], fresh: all(/^a /) },
  { title: 'no endpoint', pods: [[], []], fresh: all(/^ECONNREFUSED$/) },
]

/** Opens connections, changes their Services step by step, and asserts after each that they live, and that new ones do not. */
export async function changeUnderConnections(
  test: Pick<typeof t, 'equal' | 'match'>,
  options: HoldOptions,
): Promise<void> {
  const { net, proxy, client, echo, families } = options
  proxy.set(numbered(LED), ...slices(LED, [echo]))
  await proxy.programmed()
  const held = await Promise.all(
    families.flatMap(family => [
      ...waysTo(LED, family, options),
      ...waysTo(DIRECT, family, options),
    ]),
  )
  proxy.set(numbered(DIRECT), ...slices(DIRECT, [echo]))
  for (const { title, fields, pods, fresh } of steps(options)) {
    for (const number of [LED, DIRECT]) {
      if (fields !== undefined) proxy.set(numbered(number, fields))
      if (pods !== undefined) proxy.set(...slices(number, ...pods))
    }
    await proxy.programmed()
    await Promise.all(
      freshWays(fresh, families).map(async ({ to, want, ...way }) => {
        const from = to === 'clusterIP' ? client.namespace : net.outside
        const outcomes = await outcomesOn(net)(from, to, way, 1)
        test.match(outcomes, [want], `${title}: ${to} of ${way.number}, IPv${way.family}`)
      }),
    )
    await Promise.all(
      held.map(async ({ what, say }) => {
        test.equal(await say(title).catch(String), title, `${title}: ${what} lives`)
      }),
    )
  }
  for (const number of [LED, DIRECT]) proxy.delete('Service', `default/s${number}`)
  await proxy.programmed()
  for (const { what, say, end } of held) {
    test.equal(await say('bye').catch(String), 'bye', `without the Service: ${what} lives`)
    end()
  }
}

/** What {@link changeUnderConnections} needs: somebody outside has a cluster IP, the node a VIP and a server on a node port. */
export async function serveBeside({ node, outside }: Topology): Promise<void> {
  await outside.ip(`address add 10.96.0.${DIRECT}/32 dev lo`)
  await outside.ip(`address add fd00:96::${DIRECT}/128 dev lo nodad`)
  await node.ip(`address add 203.0.113.${DIRECT}/32 dev lo`)
  await node.ip(`address add fd00:f::${DIRECT}/128 dev lo nodad`)
  await Promise.all([echoLines(outside, 80), echoLines(node, 80), echoLines(node, 30_000 + DIRECT)])
}

const freshWays = (fresh: Step['fresh'], families: readonly IpFamily[]) =>
  Object.entries(fresh).flatMap(([to, want]) =>
    families.flatMap(family =>
      [LED, DIRECT].map(
        number => ({ to: to as To, want, number, family, protocol: 'tcp' }) as const,
      ),
    ),
  )

function waysTo(number: number, family: IpFamily, { net, client }: HoldOptions) {
  const is4 = family === 4
  const clusterIP = `${is4 ? '10.96.0.' : 'fd00:96::'}${number}`
  const vip = `${is4 ? '203.0.113.' : 'fd00:f::'}${number}`
  const nodeIP = is4 ? net.nodeIp4 : net.nodeIp6
  return (
    [
      ['a pod', client.namespace, clusterIP, 80],
      ['the node', net.node, clusterIP, 80],
      ['outside', net.outside, vip, 80],
      ['outside', net.outside, nodeIP, 30_000 + number],
    ] as const
  ).map(async ([source, from, host, port]) => ({
    what: `${source} to ${host} ${port}`,
    ...(await holdConnection(from, host, port)),
  }))
}
