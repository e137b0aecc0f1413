import t from 'tap'
import { findCauses } from '#agent/why/causes.ts'
import type { Candidate, Facts } from '#agent/why/facts.ts'
import type { CauseId } from '#agent/why/finding.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import {
  endpointFacts,
  facts,
  ip,
  link,
  nameFacts,
  pod,
  serviceFacts,
} from '../../helper/why-facts.ts'

const prefix = (text: string) => parsePrefix(text) as IpPrefix
const notReady = { conditions: { ready: false, serving: false } }
const denied = (name: string): Candidate => ({
  name,
  isAsGiven: false,
  rcode: 'NXDOMAIN',
  addresses: [],
})
const causesOf = (changes: Partial<Facts>) => findCauses(facts(changes)).map(({ cause }) => cause)

/** A load balancer's address, a node port, and the same Service by either. */
const exposed = service({
  type: 'LoadBalancer',
  ports: [servicePort({ nodePort: 30_080 })],
  loadBalancerIngress: [{ ip: '203.0.113.9' }],
  loadBalancerSourceRanges: ['198.51.100.0/24'],
  externalTrafficPolicy: 'Local',
})
const remote = [slice({ endpoints: [endpoint('10.244.2.2', { nodeName: 'node-2' })] })]
const byNodePort = {
  by: 'node-port',
  address: ip('192.168.50.1'),
  port: 30_080,
  family: 4,
  hasLoopback: false,
} as const
const byLoadBalancer = {
  by: 'load-balancer',
  address: ip('203.0.113.9'),
  port: 80,
  family: 4,
  nodePortAddresses: [],
  hasLoopback: false,
} as const
const outside = { kind: 'outside', addresses: [ip('192.0.2.7')] } as const

const faults: readonly { title: string; cause: CauseId; seen: Partial<Facts> }[] = [
  {
    title: 'no pod matches the selector',
    cause: 'no-endpoints',
    seen: { service: serviceFacts(service(), []), endpoints: [] },
  },
  {
    title: 'no endpoint is ready',
    cause: 'none-ready',
    seen: {
      service: serviceFacts(service(), [slice({ endpoints: [endpoint('10.244.1.2', notReady)] })]),
      endpoints: [],
    },
  },
  {
    title: 'the pod listens on another port',
    cause: 'wrong-target-port',
    seen: { endpoints: [endpointFacts({ listening: [{ address: ip('0.0.0.0'), port: 9090 }] })] },
  },
  {
    title: 'a pod on another node refuses, and declares another port',
    cause: 'wrong-target-port',
    seen: {
      service: serviceFacts(undefined, undefined, {
        pods: [
          pod({
            podIPs: ['10.244.1.2'],
            containerPorts: [{ name: '', containerPort: 9090, protocol: 'TCP' }],
          }),
        ],
      }),
      endpoints: [endpointFacts({ listening: undefined, probe: 'refused' })],
    },
  },
  {
    title: 'the slice names its port otherwise',
    cause: 'port-name-mismatch',
    seen: {
      service: serviceFacts(service({ ports: [servicePort({ name: 'http' })] })),
      endpoints: [],
    },
  },
  {
    title: 'targetPort is the name of no container port',
    cause: 'port-name-mismatch',
    seen: {
      service: serviceFacts(service({ ports: [servicePort({ targetPort: 'web' })] }), [
        slice({ ports: [], endpoints: [endpoint('10.244.1.2')] }),
      ]),
      endpoints: [],
    },
  },
  {
    title: 'internal policy Local, pods on other nodes only',
    cause: 'local-policy-no-local-pod',
    seen: {
      service: serviceFacts(service({ internalTrafficPolicy: 'Local' }), remote),
      endpoints: [],
    },
  },
  {
    title: 'external policy Local, from outside',
    cause: 'local-policy-no-local-pod',
    seen: {
      client: outside,
      service: serviceFacts(exposed, remote, { reached: { ...byNodePort, nodePortAddresses: [] } }),
      endpoints: [],
    },
  },
  {
    title: 'the source is in no range of the load balancer',
    cause: 'source-range-refuses',
    seen: {
      client: outside,
      service: serviceFacts(exposed, undefined, { reached: byLoadBalancer }),
    },
  },
  {
    title: 'rules are gone',
    cause: 'rule-missing',
    seen: { rules: { mode: 'nftables', missing: ['ip nodeplane vips: 10.96.0.10 . tcp . 80'] } },
  },
  {
    title: 'a UDP flow goes to a pod that is gone',
    cause: 'stale-conntrack',
    seen: { flows: { total: 3, stale: ['10.244.1.77:8080'], staleCount: 1 } },
  },
  {
    title: 'a pod of another node, and only the default route',
    cause: 'route-missing',
    seen: {
      endpoints: [
        endpointFacts({
          isLocal: false,
          link: undefined,
          listening: undefined,
          route: { to: ip('10.244.2.2'), kind: 'unicast', prefix: prefix('0.0.0.0/0') },
        }),
      ],
    },
  },
  {
    title: 'the client pod has no route out',
    cause: 'route-missing',
    seen: { client: { ...facts().client, route: { to: ip('10.96.0.10'), kind: 'none' } } },
  },
  {
    title: 'a link on the way takes less than the pod sends',
    cause: 'mtu-wrong',
    seen: {
      endpoints: [
        endpointFacts({
          route: { to: ip('10.244.2.2'), kind: 'unicast', link: { name: 'vxlan0', mtu: 1450 } },
          link: undefined,
        }),
      ],
    },
  },
  {
    title: 'a pod that asks itself, with hairpin off',
    cause: 'hairpin-off',
    seen: {
      client: { ...facts().client, addresses: [ip('10.244.1.2')], link: link({ hairpin: false }) },
    },
  },
  {
    title: 'nothing listens in the pod',
    cause: 'pod-not-listening',
    seen: { endpoints: [endpointFacts({ listening: [] })] },
  },
  {
    title: 'the pod listens on loopback only',
    cause: 'pod-not-listening',
    seen: { endpoints: [endpointFacts({ listening: [{ address: ip('127.0.0.1'), port: 8080 }] })] },
  },
  {
    title: 'a node port on an address that is not selected',
    cause: 'node-port-address-not-selected',
    seen: {
      client: outside,
      service: serviceFacts(exposed, undefined, {
        reached: { ...byNodePort, nodePortAddresses: [prefix('10.0.0.0/8')] },
      }),
    },
  },
  {
    title: 'a node port on loopback, which nobody selected',
    cause: 'node-port-address-not-selected',
    seen: {
      service: serviceFacts(exposed, undefined, {
        reached: { ...byNodePort, address: ip('127.0.0.1'), nodePortAddresses: [] },
      }),
    },
  },
  {
    title: 'the Service is in another namespace',
    cause: 'name-in-other-namespace',
    seen: {
      name: nameFacts({
        candidates: [denied('web.default.svc.cluster.local.')],
        meant: undefined,
        elsewhere: ['shop/web'],
      }),
      service: undefined,
      endpoints: [],
    },
  },
  {
    title: 'a headless Service without a ready pod',
    cause: 'headless-none-ready',
    seen: {
      name: nameFacts({ candidates: [denied('web.default.svc.cluster.local.')] }),
      service: serviceFacts(service({ clusterIP: 'None', clusterIPs: ['None'] }), [
        slice({ endpoints: [endpoint('10.244.1.2', notReady)] }),
      ]),
      endpoints: [],
    },
  },
  {
    title: 'no upstream answers',
    cause: 'upstream-resolver-down',
    seen: {
      name: nameFacts({
        asked: 'example.com',
        meant: undefined,
        candidates: [{ name: 'example.com.', isAsGiven: true, rcode: 'SERVFAIL', addresses: [] }],
        upstreams: [{ server: '192.0.2.53:53', answers: false, reason: 'silent' }],
      }),
      service: undefined,
      endpoints: [],
    },
  },
  {
    title: 'ndots:1, and the name has a dot',
    cause: 'ndots-search-miss',
    seen: {
      name: nameFacts({
        asked: 'web.default',
        resolver: { ...nameFacts().resolver, ndots: 1 },
        candidates: [denied('web.default.'), nameFacts().candidates[0] as Candidate],
      }),
    },
  },
  {
    title: 'no search list',
    cause: 'ndots-search-miss',
    seen: {
      name: nameFacts({
        resolver: { ...nameFacts().resolver, searches: [] },
        candidates: [denied('web.')],
      }),
    },
  },
  {
    title: 'a suffix of the node answers for the Service',
    cause: 'ndots-search-miss',
    seen: {
      name: nameFacts({
        asked: 'web.default',
        resolver: { ...nameFacts().resolver, searches: ['corp.test', 'svc.cluster.local'] },
        candidates: [
          { ...(nameFacts().candidates[0] as Candidate), name: 'web.default.corp.test.' },
        ],
      }),
    },
  },
  {
    title: 'a pod on the host network with ClusterFirst',
    cause: 'host-network-cluster-first',
    seen: {
      client: { ...facts().client, pod: pod({ hostNetwork: true }) },
      name: nameFacts({ candidates: [denied('web.')] }),
    },
  },
  {
    title: 'the pod has no address: leases of dead pods fill the range',
    cause: 'address-range-leaked',
    seen: {
      client: { kind: 'pod', addresses: [], pod: pod({ podIPs: [], phase: 'Pending' }) },
      leases: [
        {
          network: 'pods',
          folder: '/var/lib/cni/networks/pods',
          range: '10.244.1.2-10.244.1.3',
          size: 2,
          leased: 2,
          leaked: [ip('10.244.1.2')],
        },
      ],
    },
  },
  {
    title: 'the API server is silent',
    cause: 'api-server-stale',
    seen: { view: { origin: 'https://api:6443', state: 'stale', sinceMs: 0, nowMs: 1_000_000 } },
  },
  {
    title: 'no DNS server answers',
    cause: 'dns-silent',
    seen: {
      name: nameFacts({
        candidates: [{ ...denied('web.default.svc.cluster.local.'), rcode: 'SILENT' }],
      }),
    },
  },
  {
    title: 'a name that nobody has',
    cause: 'name-not-found',
    seen: {
      name: nameFacts({ asked: 'wbe', meant: undefined, candidates: [denied('wbe.')] }),
      service: undefined,
      endpoints: [],
    },
  },
  {
    title: 'a DNS server that does not know the Service',
    cause: 'name-not-found',
    seen: { name: nameFacts({ candidates: [denied('web.default.svc.cluster.local.')] }) },
  },
  {
    title: 'a Service that does not exist',
    cause: 'no-such-service',
    seen: {
      target: { kind: 'service', namespace: 'default', name: 'wbe' },
      service: serviceFacts(service(), [], {
        service: undefined,
        port: undefined,
        reached: undefined,
      }),
      name: undefined,
      endpoints: [],
    },
  },
  {
    title: 'a port that the Service does not have',
    cause: 'no-such-port',
    seen: {
      target: { kind: 'service', namespace: 'default', name: 'web', port: 81 },
      service: serviceFacts(undefined, undefined, { port: undefined, reached: undefined }),
      endpoints: [],
    },
  },
]

for (const { title, cause, seen } of faults) {
  t.test(`${cause}: ${title}`, async t => {
    const findings = findCauses(facts(seen))
    t.equal(findings[0]?.cause, cause)
    for (const { message, fix } of findings) {
      t.notMatch(`${message} ${fix}`, /undefined|\[object|\n/)
      t.not(fix, '')
    }
  })
}

t.test('nothing wrong', async t => {
  t.strictSame(causesOf({}), [])
  t.strictSame(causesOf({ name: undefined, flows: undefined, rules: undefined }), [])
})

t.test('what could not be seen is not blamed', async t => {
  const unseen = endpointFacts({
    link: undefined,
    listening: undefined,
    route: undefined,
    probe: undefined,
  })
  t.strictSame(causesOf({ endpoints: [unseen] }), [])
  t.strictSame(causesOf({ endpoints: [{ ...unseen, probe: 'silent' }] }), [])
  t.strictSame(causesOf({ client: outside, endpoints: [unseen] }), [])
})

t.test('a name of the world outside is not taken for a Service of that name', async t => {
  const name = nameFacts({
    asked: 'example.com',
    meant: undefined,
    elsewhere: ['shop/example'],
    candidates: [{ ...denied('example.com.'), rcode: 'SERVFAIL' }],
    upstreams: [{ server: '192.0.2.53:53', answers: false, reason: 'refused' }],
  })
  t.strictSame(causesOf({ name, service: undefined, endpoints: [] }), ['upstream-resolver-down'])
})

const healthy: readonly { title: string; seen: Partial<Facts> }[] = [
  {
    title: 'a node port on loopback, with localhostNodePorts',
    seen: {
      service: serviceFacts(exposed, undefined, {
        reached: {
          ...byNodePort,
          address: ip('127.0.0.1'),
          nodePortAddresses: [],
          hasLoopback: true,
        },
      }),
    },
  },
  {
    title: 'external policy Local lets pods through to all endpoints',
    seen: {
      service: serviceFacts(exposed, remote, { reached: { ...byNodePort, nodePortAddresses: [] } }),
    },
  },
  {
    title: 'without source ranges everybody is let through',
    seen: {
      client: outside,
      service: serviceFacts({ ...exposed, loadBalancerSourceRanges: [] }, undefined, {
        reached: byLoadBalancer,
      }),
    },
  },
  {
    title: 'hairpin does not matter where rules do not see bridged packets',
    seen: {
      client: {
        ...facts().client,
        addresses: [ip('10.244.1.2')],
        link: link({ hairpin: false, filtered: false }),
      },
    },
  },
  {
    title: 'a default route serves where the routes to other nodes are not ours',
    seen: {
      endpoints: [
        endpointFacts({
          needsRoute: false,
          route: { to: ip('10.244.2.2'), kind: 'unicast', prefix: prefix('0.0.0.0/0') },
        }),
      ],
    },
  },
  {
    title: 'a pod that sends less than the link takes',
    seen: { client: { ...facts().client, link: link({ mtu: 1400 }) } },
  },
  {
    title: 'an endpoint that serves while it terminates',
    seen: {
      service: serviceFacts(service(), [
        slice({
          endpoints: [endpoint('10.244.1.2', { conditions: { ready: false, terminating: true } })],
        }),
      ]),
    },
  },
  {
    title: 'a headless Service that publishes pods that are not ready',
    seen: {
      service: serviceFacts(service({ clusterIP: 'None', publishNotReadyAddresses: true }), [
        slice({ endpoints: [endpoint('10.244.1.2', notReady)] }),
      ]),
    },
  },
  {
    title: 'leaked leases while there is room',
    seen: {
      client: { kind: 'pod', addresses: [], pod: pod({ podIPs: [], phase: 'Pending' }) },
      leases: [
        { network: 'n', folder: '/x', range: 'a-b', size: 3, leased: 2, leaked: [ip('10.0.0.1')] },
      ],
    },
  },
  {
    title: 'a full range whose leases are all in use',
    seen: {
      client: { kind: 'pod', addresses: [], pod: pod({ podIPs: [], phase: 'Pending' }) },
      leases: [{ network: 'n', folder: '/x', range: 'a-b', size: 2, leased: 2, leaked: [] }],
    },
  },
  {
    title: 'a socket on :: takes IPv4',
    seen: { endpoints: [endpointFacts({ listening: [{ address: ip('::'), port: 8080 }] })] },
  },
]
for (const { title, seen } of healthy) {
  t.test(`nothing wrong: ${title}`, async t => t.strictSame(causesOf(seen), []))
}

t.test('of two things that are wrong the one nearest to the client is named first', async t => {
  t.strictSame(
    causesOf({
      endpoints: [endpointFacts({ listening: [] })],
      rules: { mode: 'nftables', missing: ['ip nodeplane'] },
      client: { ...facts().client, route: { to: ip('10.96.0.10'), kind: 'none' } },
    }),
    ['route-missing', 'rule-missing', 'pod-not-listening'],
  )
})
