import t from 'tap'
import type { ProxyEndpoint } from '../../src/proxy/endpoint.ts'
import { endpointsOf } from '../../src/proxy/endpoint.ts'
import { servicePortsOf } from '../../src/proxy/service-port.ts'
import { selectEndpoints } from '../../src/proxy/topology.ts'
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

function select(list: readonly Parameters<typeof endpoint>[1][]) {
  const endpoints = list.map((fields, index) => endpoint(`10.0.0.${index + 1}`, fields))
  const { cluster, local, hasAny } = selectEndpoints(
    port,
    endpointsOf(port, [slice({ endpoints })]),
    place,
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

const hinted = [
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
]
for (const { title, hints, cluster } of hinted) {
  t.test(title, async t => {
    t.equal(select(hints.map(fields => ({ ...elsewhere, ...fields }))).cluster, cluster)
  })
}
