import t from 'tap'
import { type IpAddress, parseIp } from '#net/ip.ts'
import type { ServicePortEndpoints } from '../../src/proxy/change-tracker.ts'
import { endpointsOf } from '../../src/proxy/endpoint.ts'
import { servicePortsOf } from '../../src/proxy/service-port.ts'
import { type Flow, UdpDestinations } from '../../src/proxy/udp-destinations.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'

const NODE = '192.168.50.1'
const own = { addresses: new Set([parseIp(NODE) as IpAddress]), hasLoopback: false }

type Served = {
  readonly name?: string
  readonly clusterIP?: string
  readonly nodePort?: number
  readonly port?: number
  readonly targetPort?: number
  readonly endpoints: readonly Pod[]
}
/** Ready; with conditions terminating. */
type Pod = string | readonly [address: string, conditions: { serving?: boolean }]

const isLeaving = (pod: Pod): pod is readonly [string, { serving?: boolean }] =>
  typeof pod !== 'string'

/** A Service on its cluster IP, 198.51.100.1, 203.0.113.1 and a node port, port 53, at pods' port 5353. */
function portsOf({
  clusterIP = '10.96.0.10',
  nodePort = 30053,
  port = 53,
  targetPort = 5353,
  endpoints,
}: Served): readonly ServicePortEndpoints[] {
  const object = service({
    type: 'LoadBalancer',
    clusterIP,
    externalIPs: ['198.51.100.1'],
    loadBalancerIngress: [{ ip: '203.0.113.1' }],
    externalTrafficPolicy: 'Local',
    ports: [servicePort({ protocol: 'UDP', port, nodePort })],
  })
  const pods = endpoints.map(pod =>
    isLeaving(pod)
      ? endpoint(pod[0], { conditions: { ready: false, terminating: true, ...pod[1] } })
      : endpoint(pod, { nodeName: 'node-2' }),
  )
  const slices = [
    slice({ ports: [{ name: '', protocol: 'UDP', port: targetPort }], endpoints: pods }),
  ]
  return servicePortsOf(object, 4).map(port => ({ ...port, endpoints: endpointsOf(port, slices) }))
}

/** `10.96.0.10:53 > 10.0.0.1:5353`: sent there, answered from there. */
function flowOf(text: string): Flow {
  const [destination = '', destinationPort, replySource = '', replySourcePort] = text.split(/ > |:/)
  return {
    destination: parseIp(destination) as IpAddress,
    destinationPort: Number(destinationPort),
    replySource: parseIp(replySource) as IpAddress,
    replySourcePort: Number(replySourcePort),
  }
}

/** The flows that are stale, and not, after Services were in these states one after the other. */
const facts: readonly {
  readonly title: string
  readonly states: readonly Served[]
  readonly stale: readonly string[]
  readonly kept: readonly string[]
}[] = [
  {
    title: '(i) to a removed endpoint, by every kind of destination',
    states: [{ endpoints: ['10.0.0.1', '10.0.0.2'] }, { endpoints: ['10.0.0.2'] }],
    stale: [
      '10.96.0.10:53 > 10.0.0.1:5353',
      '198.51.100.1:53 > 10.0.0.1:5353',
      '203.0.113.1:53 > 10.0.0.1:5353',
      `${NODE}:30053 > 10.0.0.1:5353`,
    ],
    kept: ['10.96.0.10:53 > 10.0.0.2:5353', `${NODE}:30053 > 10.0.0.2:5353`],
  },
  {
    title: '(i) to an endpoint that serves no more, or that an earlier process had',
    states: [{ endpoints: [['10.0.0.1', { serving: false }], '10.0.0.2'] }],
    stale: ['10.96.0.10:53 > 10.0.0.1:5353', '10.96.0.10:53 > 10.0.0.9:5353'],
    kept: [],
  },
  {
    title: '(ii) to the former target port of a pod',
    states: [{ endpoints: ['10.0.0.1'] }, { endpoints: ['10.0.0.1'], targetPort: 5354 }],
    stale: ['10.96.0.10:53 > 10.0.0.1:5353'],
    kept: ['10.96.0.10:53 > 10.0.0.1:5354'],
  },
  {
    title: '(iii) never translated: from before the Service',
    states: [{ endpoints: ['10.0.0.1'] }],
    stale: ['10.96.0.10:53 > 10.96.0.10:53', `${NODE}:30053 > ${NODE}:30053`],
    kept: [],
  },
  {
    title: '(iv) to a terminating endpoint that serves it stays',
    states: [{ endpoints: [['10.0.0.1', { serving: true }], '10.0.0.2'] }],
    stale: [],
    kept: ['10.96.0.10:53 > 10.0.0.1:5353', `${NODE}:30053 > 10.0.0.1:5353`],
  },
  {
    title: '(v) better: of a Service without serving endpoints',
    states: [{ endpoints: ['10.0.0.1'] }, { endpoints: [] }],
    stale: ['10.96.0.10:53 > 10.0.0.1:5353', `${NODE}:30053 > 10.0.0.1:5353`],
    kept: [],
  },
  {
    title: '(vi) to other ports and hosts, and foreign translations, stay',
    states: [{ endpoints: ['10.0.0.1'] }, { endpoints: ['10.0.0.2'] }],
    stale: [],
    kept: [
      '10.96.0.10:54 > 10.0.0.1:5353',
      '10.0.0.1:5353 > 10.0.0.1:5353',
      '8.8.8.8:53 > 8.8.8.8:53',
      `${NODE}:53 > 172.17.0.2:53`,
      `${NODE}:30054 > 10.0.0.1:5353`,
    ],
  },
  {
    title: 'better: to the number of a node port at another host stays',
    states: [{ endpoints: ['10.0.0.1'] }],
    stale: [],
    kept: ['192.168.50.7:30053 > 192.168.50.7:30053', '192.168.50.7:30053 > 10.0.0.9:5353'],
  },
  {
    title: 'better: to endpoints at a destination that is gone; foreign ones there stay',
    states: [{ endpoints: ['10.0.0.1'] }, { endpoints: ['10.0.0.1'], port: 54, nodePort: 30054 }],
    stale: ['10.96.0.10:53 > 10.0.0.1:5353', `${NODE}:30053 > 10.0.0.1:5353`],
    kept: [
      '10.96.0.10:54 > 10.0.0.1:5353',
      '10.96.0.10:53 > 10.0.0.7:53',
      '10.96.0.10:53 > 10.96.0.10:53',
      '192.168.50.7:30053 > 10.0.0.1:5353',
    ],
  },
  {
    title: 'of all that it had since the last clean-up, at a destination that is gone',
    states: [
      { endpoints: ['10.0.0.1'] },
      { endpoints: ['10.0.0.2'] },
      { endpoints: [], port: 54, nodePort: 0 },
    ],
    stale: ['10.96.0.10:53 > 10.0.0.1:5353', `${NODE}:30053 > 10.0.0.2:5353`],
    kept: [],
  },
  {
    title: 'a destination of a Service counts before a node port of the same number',
    states: [
      { endpoints: ['10.0.0.1'] },
      { name: 'other', clusterIP: NODE, port: 30053, nodePort: 0, endpoints: ['10.0.0.2'] },
    ],
    stale: [`${NODE}:30053 > 10.0.0.1:5353`],
    kept: [`${NODE}:30053 > 10.0.0.2:5353`],
  },
  {
    title: 'where two Services claim a destination, endpoints of both stay',
    states: [
      { endpoints: ['10.0.0.1'] },
      { name: 'other', clusterIP: '10.96.0.11', endpoints: ['10.0.0.2'] },
    ],
    stale: ['198.51.100.1:53 > 10.0.0.3:5353', '10.96.0.11:53 > 10.0.0.1:5353'],
    kept: ['198.51.100.1:53 > 10.0.0.1:5353', '198.51.100.1:53 > 10.0.0.2:5353'],
  },
]

/** The paths told as stale by a clean-up after these states, where the one before saw the first of them. */
function pathsAfter(first: Served, ...states: readonly (Served | undefined)[]) {
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf(first))
  destinations.begin(own)
  for (const state of states) destinations.update('web', state === undefined ? [] : portsOf(state))
  const paths = destinations.begin(own).stalePaths
  return paths?.map(
    ({ destination: to, replySource: from }) =>
      `${to.address}:${to.port} > ${from.address}:${from.port}`,
  )
}

const pathsTo = (pod: string) => [
  `10.96.0.10:53 > ${pod}`,
  `198.51.100.1:53 > ${pod}`,
  `203.0.113.1:53 > ${pod}`,
  `${NODE}:30053 > ${pod}`,
]

t.test('paths: to endpoints that serve no more, whatever it came by', async t => {
  const both = { endpoints: ['10.0.0.1', '10.0.0.2'] }
  t.strictSame(pathsAfter(both, { endpoints: ['10.0.0.2'] }), pathsTo('10.0.0.1:5353'))
  const left = { endpoints: [['10.0.0.1', { serving: false }], '10.0.0.2'] } as const
  t.strictSame(pathsAfter(both, left), pathsTo('10.0.0.1:5353'))
  t.strictSame(pathsAfter({ endpoints: ['10.0.0.1'] }, undefined), pathsTo('10.0.0.1:5353'))
  t.strictSame(
    pathsAfter({ endpoints: ['10.0.0.1'] }, { endpoints: ['10.0.0.1'], targetPort: 5354 }),
    pathsTo('10.0.0.1:5353'),
  )
})

t.test('paths: none when endpoints came only, or came back', async t => {
  const one = { endpoints: ['10.0.0.1'] }
  t.strictSame(pathsAfter(one, { endpoints: ['10.0.0.1', '10.0.0.2'] }), [])
  t.strictSame(pathsAfter(one, { endpoints: [] }, one), [])
  t.strictSame(pathsAfter(one, undefined, one), [])
})

t.test('node ports on loopback: flows to any loopback address are stale like others', async t => {
  const everywhere = { ...own, hasLoopback: true }
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf({ endpoints: ['10.0.0.1'] }))
  destinations.begin(everywhere)
  destinations.update('web', portsOf({ endpoints: ['10.0.0.2'] }))
  const { isStale, stalePaths } = destinations.begin(everywhere)
  t.equal(stalePaths, undefined, 'there are too many to name')
  for (const ip of ['127.0.0.1', '127.1.2.3']) {
    t.equal(isStale(flowOf(`${ip}:30053 > 10.0.0.1:5353`)), true, ip)
    t.equal(isStale(flowOf(`${ip}:30053 > 10.0.0.2:5353`)), false, ip)
    t.equal(isStale(flowOf(`${ip}:30054 > 10.0.0.1:5353`)), false, `${ip}, another port`)
  }
  destinations.update('web', portsOf({ endpoints: ['10.0.0.2', '10.0.0.3'] }))
  t.strictSame(destinations.begin(everywhere).stalePaths, [], 'nothing to look for, so no list')
  const { isStale: isStaleElsewhere } = destinations.begin(own)
  t.equal(isStaleElsewhere(flowOf('127.0.0.1:30053 > 10.0.0.1:5353')), false, 'not served there')
})

t.test('paths: unknown at a destination that no clean-up has seen', async t => {
  const one = { endpoints: ['10.0.0.1'] }
  t.equal(pathsAfter(one, { ...one, nodePort: 30054 }), undefined)
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf(one))
  destinations.update('web', portsOf({ endpoints: [] }))
  t.equal(destinations.begin(own).stalePaths, undefined, 'changed before the first')
  destinations.update('web', [])
  destinations.begin(own)
  destinations.update('web', portsOf(one))
  t.equal(destinations.begin(own).stalePaths, undefined, 'gone for a while')
})

t.test(
  'paths: a failed clean-up leaves what was unknown unknown, and the rest to the next',
  async t => {
    const destinations = new UdpDestinations()
    destinations.update('web', portsOf({ endpoints: ['10.0.0.1'] }))
    destinations.begin(own).failed()
    destinations.update('web', portsOf({ endpoints: ['10.0.0.2'] }))
    t.equal(destinations.begin(own).stalePaths, undefined)
    destinations.update('web', portsOf({ endpoints: ['10.0.0.3'] }))
    destinations.begin(own).failed()
    t.equal(destinations.begin(own).stalePaths?.length, 4)
  },
)

t.test('paths: where two Services claim a destination, endpoints of both stay', async t => {
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf({ endpoints: ['10.0.0.1'] }))
  destinations.update('other', portsOf({ clusterIP: '10.96.0.11', endpoints: ['10.0.0.1'] }))
  destinations.begin(own)
  destinations.update('web', portsOf({ endpoints: [] }))
  const paths = destinations.begin(own).stalePaths
  t.strictSame(
    paths?.map(({ destination }) => destination.address),
    ['10.96.0.10'],
  )
})

for (const { title, states, stale, kept } of facts) {
  t.test(`flows: ${title}`, async t => {
    const destinations = new UdpDestinations()
    for (const state of states) destinations.update(state.name ?? 'web', portsOf(state))
    const { isStale } = destinations.begin(own)
    for (const flow of stale) t.equal(isStale(flowOf(flow)), true, flow)
    for (const flow of kept) t.equal(isStale(flowOf(flow)), false, flow)
  })
}

t.test('a clean-up is due when endpoints or destinations change, and else not', async t => {
  const destinations = new UdpDestinations()
  const update = (state: Served | undefined) =>
    destinations.update('web', state === undefined ? [] : portsOf(state))
  t.equal(update(undefined), false, 'no UDP port')
  t.equal(update({ endpoints: ['10.0.0.1'] }), true, 'a new Service')
  t.equal(update({ endpoints: ['10.0.0.1'] }), false, 'the same again')
  t.equal(update({ endpoints: [['10.0.0.1', { serving: true }]] }), false, 'still serving')
  t.equal(update({ endpoints: [['10.0.0.1', { serving: false }]] }), true, 'serving no more')
  t.equal(update({ endpoints: [], nodePort: 30054 }), true, 'another node port')
  t.equal(update(undefined), true, 'deleted')
  t.equal(update(undefined), false, 'still not there')
})

t.test('a deleted Service is remembered for one clean-up', async t => {
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf({ endpoints: ['10.0.0.1'] }))
  destinations.update('web', [])
  const flow = flowOf('10.96.0.10:53 > 10.0.0.1:5353')
  t.equal(destinations.begin(own).isStale(flow), true)
  t.equal(destinations.begin(own).isStale(flow), false)
})

t.test('during a clean-up a change counts at once', async t => {
  const destinations = new UdpDestinations()
  destinations.update('web', portsOf({ endpoints: ['10.0.0.1'] }))
  const { isStale } = destinations.begin(own)
  destinations.update('web', portsOf({ endpoints: ['10.0.0.2'] }))
  t.equal(isStale(flowOf('10.96.0.10:53 > 10.0.0.2:5353')), false)
})
