import t from 'tap'
import type { ProxyEndpoint } from '../../src/proxy/endpoint.ts'
import { endpointsOf } from '../../src/proxy/endpoint.ts'
import { servicePortsOf } from '../../src/proxy/service-port.ts'
import { type Place, selectEndpoints } from '../../src/proxy/topology.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'

const place = { nodeName: 'node-1', zone: 'a' }
const elsewhere = { nodeName: 'node-2' }

/** `T/T/F L`: ready, serving, terminating, on this node; as the specification's table writes it. */
function fromText(text: string): Parameters<typeof endpoint>[1] {
  const [conditions = '', local] = text.split(' ')
  const [ready, serving, terminating] = conditions.split('/').map(letter => letter === 'T')
  return {
    conditions: {
      ready: ready === true,
      serving: serving === true,
      terminating: terminating === true,
    },
    ...(local === 'L' ? {} : elsewhere),
  }
}

/** A port under both policies Local, so that every set is computed. */
const [port] = servicePortsOf(
  service({
    type: 'NodePort',
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    ports: [servicePort({ nodePort: 30000 })],
  }),
  4,
) as [ReturnType<typeof servicePortsOf>[0]]

function select(list: readonly Parameters<typeof endpoint>[1][], where: Place = place) {
  const endpoints = list.map((fields, index) => endpoint(`10.0.0.${index + 1}`, fields))
  const { cluster, local, hasAny } = selectEndpoints(
    port,
    endpointsOf(port, [slice({ endpoints })]),
    where,
  )
  const names = (some: readonly ProxyEndpoint[]) =>
    some.map(({ address }) => 'ABCDEF'[Number(address.at(-1)) - 1]).join('')
  return { cluster: names(cluster), local: names(local), hasAny }
}

const cases = [
  { endpoints: ['T/T/F L', 'T/T/F', 'F/T/T L'], cluster: 'AB', local: 'A', hasAny: true },
  { endpoints: ['F/T/T L', 'T/T/F'], cluster: 'B', local: 'A', hasAny: true },
  { endpoints: ['F/T/T', 'F/F/T L'], cluster: 'A', local: '', hasAny: true },
  { endpoints: ['F/F/T L', 'F/F/F'], cluster: '', local: '', hasAny: false },
  { endpoints: ['F/T/F L'], cluster: '', local: '', hasAny: false },
  { endpoints: [], cluster: '', local: '', hasAny: false },
]
for (const { endpoints, ...want } of cases) {
  t.test(`endpoints ${endpoints.join(', ') || 'none'}`, async t => {
    t.strictSame(select(endpoints.map(fromText)), want)
  })
}

const hinted: readonly {
  readonly title: string
  readonly hints: readonly Parameters<typeof endpoint>[1][]
  readonly zone?: string | undefined
  readonly cluster: string
}[] = [
  {
    title: 'hints for this node win over hints for this zone',
    hints: [
      { nodeHints: ['node-1'], zoneHints: ['b'] },
      { nodeHints: ['node-2'], zoneHints: ['a'] },
    ],
    cluster: 'A',
  },
  {
    title: 'hints for this zone, an endpoint with several zones included',
    hints: [{ zoneHints: ['b'] }, { zoneHints: ['b', 'a'] }, { zoneHints: ['a'] }],
    cluster: 'BC',
  },
  {
    title: 'one endpoint without hints: all',
    hints: [{ zoneHints: ['a'] }, {}, { zoneHints: ['b'] }],
    cluster: 'ABC',
  },
  {
    title: 'no endpoint hinted for here: all',
    hints: [{ zoneHints: ['b'] }, { zoneHints: ['c'] }],
    cluster: 'AB',
  },
  {
    title: 'hints of an endpoint that is not ready do not count',
    hints: [{ zoneHints: ['a'] }, { zoneHints: ['b'] }, fromText('F/T/T') ?? {}],
    cluster: 'A',
  },
  {
    title: 'hints for nodes, none for this one: hints for this zone',
    hints: [
      { nodeHints: ['node-2'], zoneHints: ['a'] },
      { nodeHints: ['node-3'], zoneHints: ['b'] },
    ],
    cluster: 'A',
  },
  {
    title: 'one endpoint without hints for nodes: hints for this zone',
    hints: [{ nodeHints: ['node-1'], zoneHints: ['b'] }, { zoneHints: ['a'] }],
    cluster: 'B',
  },
  {
    title: 'hints for nodes, none for this one, and one endpoint without hints for zones: all',
    hints: [{ nodeHints: ['node-2'], zoneHints: ['a'] }, { nodeHints: ['node-3'] }],
    cluster: 'AB',
  },
  {
    title: 'the zone of this node is not known: all',
    hints: [{ zoneHints: ['a'] }, { zoneHints: ['b'] }],
    zone: undefined,
    cluster: 'AB',
  },
  {
    title: 'the zone of this node is empty, as a hint may be: all',
    hints: [{ zoneHints: [''] }, { zoneHints: ['b'] }],
    zone: '',
    cluster: 'AB',
  },
  {
    title: 'hints for this node count where its zone is not known',
    hints: [{ nodeHints: ['node-2'] }, { nodeHints: ['node-1'] }],
    zone: undefined,
    cluster: 'B',
  },
  {
    title: 'no endpoint is ready: those that drain, without hints',
    hints: [
      { ...fromText('F/T/T'), zoneHints: ['a'] },
      { ...fromText('F/T/T'), zoneHints: ['b'] },
    ],
    cluster: 'AB',
  },
]
for (const { title, hints, cluster, ...given } of hinted) {
  t.test(title, async t => {
    const list = hints.map(fields => ({ ...fields, ...elsewhere }))
    t.equal(select(list, { ...place, ...given }).cluster, cluster)
  })
}

t.test('under policy Local endpoints of this node serve, whatever their hints', async t => {
  const ofHere = { nodeHints: ['node-1'], zoneHints: ['a'] }
  const ofOthers = { nodeHints: ['node-2'], zoneHints: ['b'] }
  // A and B are on this node, C is not.
  const list = [ofOthers, ofHere, { ...ofHere, ...elsewhere }]
  t.strictSame(select(list), { cluster: 'BC', local: 'AB', hasAny: true })
  const zones = [{ zoneHints: ['b'] }, { zoneHints: ['a'], ...elsewhere }]
  t.strictSame(select(zones), { cluster: 'B', local: 'A', hasAny: true })
})
