import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { type PlanContext, type PortPlan, portPlan } from '../../../src/proxy/ipvs/port-plan.ts'
import { destinationKey, serverKey } from '../../../src/proxy/ipvs/server.ts'
import { memberKey } from '../../../src/proxy/ipvs/sets.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import { context, statesOf } from './states.ts'

const here = endpoint('10.244.1.2')
const elsewhere = endpoint('10.244.2.2', { nodeName: 'node-2' })
const [HERE, ELSEWHERE] = ['10.244.1.2:8080', '10.244.2.2:8080']

/** A load balancer's Service: all kinds of addresses. */
const everywhere = (fields: Partial<Service> = {}): Service =>
  service({
    type: 'LoadBalancer',
    externalIPs: ['198.51.100.1'],
    loadBalancerIngress: [{ ip: '203.0.113.1' }],
    ports: [servicePort({ nodePort: 30_080 })],
    ...fields,
  })

function planOf(
  object: Service,
  endpoints: EndpointSlice['endpoints'],
  fields: Partial<PlanContext> = {},
): PortPlan {
  const protocol = object.ports[0]?.protocol ?? 'TCP'
  const ports = [{ name: '', protocol, port: 8080 }]
  const states = statesOf([object, slice({ endpoints, ports })])
  const [port] = states.get('default/web') ?? []
  if (port === undefined) throw new Error('a Service without ports')
  return portPlan(port, { ...context, ...fields })
}

const destinations = ({ servers }: PortPlan) =>
  Object.fromEntries(
    servers.map(server => [serverKey(server), server.destinations.map(destinationKey)]),
  )
const membersOf = ({ members }: PortPlan) => members.map(memberKey).sort()

const CLUSTER_IP = 'TCP 10.96.0.10:80'
const outside = ['TCP 192.168.50.1:30080', 'TCP 198.51.100.1:80', 'TCP 203.0.113.1:80']
const policies: readonly {
  title: string
  fields?: Partial<Service>
  endpoints: EndpointSlice['endpoints']
  inside: readonly string[]
  outside: readonly string[]
}[] = [
  {
    title: 'policy Cluster: all endpoints',
    endpoints: [here, elsewhere],
    inside: [HERE, ELSEWHERE],
    outside: [HERE, ELSEWHERE],
  },
  {
    title: 'external policy Local: those of this node, for everybody',
    fields: { externalTrafficPolicy: 'Local' },
    endpoints: [here, elsewhere],
    inside: [HERE, ELSEWHERE],
    outside: [HERE],
  },
  {
    title: 'external policy Local without endpoints here: the others',
    fields: { externalTrafficPolicy: 'Local' },
    endpoints: [elsewhere],
    inside: [ELSEWHERE],
    outside: [ELSEWHERE],
  },
  {
    title: 'internal policy Local: those of this node',
    fields: { internalTrafficPolicy: 'Local' },
    endpoints: [here, elsewhere],
    inside: [HERE],
    outside: [HERE, ELSEWHERE],
  },
  {
    title: 'internal policy Local without endpoints here, reachable from outside: the others',
    fields: { internalTrafficPolicy: 'Local' },
    endpoints: [elsewhere],
    inside: [ELSEWHERE],
    outside: [ELSEWHERE],
  },
  { title: 'no endpoints: servers that refuse', endpoints: [], inside: [], outside: [] },
]

for (const { title, fields, endpoints, inside, outside: external } of policies) {
  t.test(title, async t => {
    t.strictSame(destinations(planOf(everywhere(fields), endpoints)), {
      ...Object.fromEntries(outside.map(key => [key, external])),
      [CLUSTER_IP]: inside,
    })
  })
}

t.test('internal policy Local of a cluster IP alone: none but those of this node', async t => {
  const object = service({ internalTrafficPolicy: 'Local' })
  t.strictSame(destinations(planOf(object, [elsewhere])), { [CLUSTER_IP]: [] })
})

t.test('affinity makes a server persistent; mh looks at the port too', async t => {
  const sticky = planOf(service({ affinityTimeoutSeconds: 600 }), [here])
  t.match(sticky.servers, [{ scheduler: 'rr', flags: 1, timeoutSeconds: 600 }])
  const hashed = planOf(service(), [here], { scheduler: 'mh' })
  t.match(hashed.servers, [{ scheduler: 'mh', flags: 0x10, timeoutSeconds: 0 }])
})

t.test('the dummy link gets all addresses but those that the machine has', async t => {
  t.strictSame(planOf(everywhere(), []).addresses, ['10.96.0.10', '198.51.100.1', '203.0.113.1'])
  const own = planOf(everywhere({ externalIPs: ['192.168.50.1'] }), [])
  t.strictSame(own.addresses, ['10.96.0.10', '203.0.113.1'])
  t.ok(own.servers.some(server => serverKey(server) === 'TCP 192.168.50.1:80'))
})

const bound = ['10.96.0.10', '198.51.100.1', '203.0.113.1'].map(ip => `IPVS-IPS ${ip}`)
t.test('members of sets: policy Cluster', async t => {
  t.strictSame(membersOf(planOf(everywhere(), [here, elsewhere])), [
    'CLUSTER-IP 10.96.0.10,tcp:80',
    'EXTERNAL-IP 198.51.100.1,tcp:80',
    ...bound,
    'LOAD-BALANCER 203.0.113.1,tcp:80',
    'LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2',
    'NODE-PORT-TCP 30080',
  ])
})

t.test('members of sets: external policy Local, health check, source ranges', async t => {
  const object = everywhere({
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 31_000,
    loadBalancerSourceRanges: ['192.0.2.0/24', '192.168.50.9/24'],
  })
  const plan = planOf(
    object,
    [endpoint('10.244.1.2', { conditions: { ready: false, serving: false } })],
    {
      nodePortAddresses: [],
    },
  )
  t.strictSame(membersOf(plan), [
    'CLUSTER-IP 10.96.0.10,tcp:80',
    'EXTERNAL-IP-LOCAL 198.51.100.1,tcp:80',
    'HEALTH-CHECK-NODE-PORT 31000',
    ...bound,
    'LOAD-BALANCER 203.0.113.1,tcp:80',
    'LOAD-BALANCER-FW 203.0.113.1,tcp:80',
    'LOAD-BALANCER-LOCAL 203.0.113.1,tcp:80',
    'LOAD-BALANCER-SOURCE-CIDR 203.0.113.1,tcp:80,192.0.2.0/24',
    'LOAD-BALANCER-SOURCE-CIDR 203.0.113.1,tcp:80,192.168.50.0/24',
    'LOAD-BALANCER-SOURCE-IP 203.0.113.1,tcp:80,203.0.113.1',
    'LOOP-BACK 10.244.1.2,tcp:8080,10.244.1.2',
    'NODE-PORT-LOCAL-TCP 30080',
    'NODE-PORT-TCP 30080',
  ])
  t.strictSame(plan.barred, [], 'the node is in a range')
})

t.test('a node outside of the ranges may not use the VIP', async t => {
  const plan = planOf(everywhere({ loadBalancerSourceRanges: ['192.0.2.0/24'] }), [here])
  t.strictSame(plan.barred.map(serverKey), ['TCP 203.0.113.1:80'])
  t.notOk(membersOf(plan).some(text => text.startsWith('LOAD-BALANCER-SOURCE-IP')))
})

t.test('SCTP node ports are known by address and port', async t => {
  const ports = [servicePort({ protocol: 'SCTP', nodePort: 30_080 })]
  const members = membersOf(planOf(everywhere({ ports, externalTrafficPolicy: 'Local' }), [here]))
  t.ok(members.includes('NODE-PORT-SCTP-HASH 192.168.50.1,sctp:30080'))
  t.ok(members.includes('NODE-PORT-LOCAL-SCTP-HASH 192.168.50.1,sctp:30080'))
})
