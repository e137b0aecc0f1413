import t from 'tap'
import type { Service } from '#cluster/objects.ts'
import {
  isExternallyAccessible,
  servicePortKey,
  servicePortsOf,
} from '../../src/proxy/service-port.ts'
import { service, servicePort } from '../helper/cluster.ts'

const nothing: readonly { title: string; object: Service }[] = [
  { title: 'headless', object: service({ clusterIP: 'None' }) },
  { title: 'without cluster IP', object: service({ clusterIP: '' }) },
  { title: 'ExternalName, even with a cluster IP', object: service({ type: 'ExternalName' }) },
  { title: 'of the other family only', object: service({ clusterIP: 'fd00::1', ipFamilies: [6] }) },
  {
    title: 'for another proxy, whatever the label says',
    object: service({ labels: { 'service.kubernetes.io/service-proxy-name': '' } }),
  },
]
for (const { title, object } of nothing) {
  t.test(`ignored: ${title}`, async t => t.strictSame(servicePortsOf(object, 4), []))
}

t.test('one record per port and family, by the family of each cluster IP', async t => {
  const dual = service({
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1', 'fd00:96:0:0::1'],
    ipFamilies: [4, 6],
    ports: [servicePort({ name: 'dns', protocol: 'UDP', port: 53 }), servicePort({ name: 'web' })],
  })
  t.strictSame(
    servicePortsOf(dual, 4).map(port => [servicePortKey(port), port.clusterIP, port.port]),
    [
      ['default/web:dns/UDP', '10.96.0.1', 53],
      ['default/web:web/TCP', '10.96.0.1', 80],
    ],
  )
  t.strictSame(
    servicePortsOf(dual, 6).map(({ clusterIP }) => clusterIP),
    ['fd00:96::1', 'fd00:96::1'],
  )
})

t.test('addresses are read leniently, junk and the other family left out', async t => {
  const [port] = servicePortsOf(
    service({
      clusterIP: '172.30.0.041',
      externalIPs: ['203.0.113.007', '', 'x', 'fd00::1'],
      loadBalancerIngress: [
        { ip: '198.51.100.1' },
        { ip: '198.51.100.2', ipMode: 'Proxy' },
        { ip: '198.51.100.3', ipMode: 'VIP' },
        { hostname: 'lb.example' },
      ],
      loadBalancerSourceRanges: [' 203.0.113.000/025 ', 'junk', 'fd00::/8'],
    }),
    4,
  )
  t.equal(port?.clusterIP, '172.30.0.41')
  t.strictSame(port?.externalIPs, ['203.0.113.7'])
  t.strictSame(port?.loadBalancerVIPs, ['198.51.100.1', '198.51.100.3'])
  t.strictSame(port?.sourceRanges, [{ family: 4, address: '203.0.113.0', length: 25 }])
})

t.test('IPv4-mapped addresses are IPv4, as Go has them', async t => {
  const mapped = service({
    clusterIP: '::ffff:10.96.0.1',
    externalIPs: ['::ffff:203.0.113.7', '203.0.113.7', 'fd00:e::1'],
    loadBalancerIngress: [{ ip: '::ffff:c633:6401' }],
    loadBalancerSourceRanges: ['::ffff:203.0.113.0/120', 'fd00::/8'],
  })
  t.match(servicePortsOf(mapped, 4), [
    {
      clusterIP: '10.96.0.1',
      externalIPs: ['203.0.113.7'],
      loadBalancerVIPs: ['198.51.100.1'],
      sourceRanges: [{ family: 4, address: '203.0.113.0', length: 24 }],
    },
  ])
  t.strictSame(servicePortsOf(mapped, 6), [])
})

t.test('a source range of everything means no range in its family', async t => {
  const [port] = servicePortsOf(
    service({ loadBalancerSourceRanges: ['10.0.0.0/8', '0.0.0.0/0'] }),
    4,
  )
  t.strictSame(port?.sourceRanges, [])
})

t.test('external policy Local counts only where the type lets outsiders in', async t => {
  const local = (fields: Partial<Service>) =>
    servicePortsOf(service({ externalTrafficPolicy: 'Local', ...fields }), 4)[0]
      ?.externalPolicyLocal
  t.equal(local({ type: 'ClusterIP' }), false)
  t.equal(local({ type: 'ClusterIP', externalIPs: ['203.0.113.1'] }), true)
  t.equal(local({ type: 'NodePort' }), true)
  t.equal(local({ type: 'LoadBalancer' }), true)
})

const balanced = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } as const
const healthChecks: readonly { title: string; fields: Partial<Service>; want: number }[] = [
  { title: 'a load balancer of policy Local has one', fields: balanced, want: 30500 },
  {
    title: 'not under policy Cluster, which any node serves',
    fields: { ...balanced, externalTrafficPolicy: 'Cluster' },
    want: 0,
  },
  { title: 'not of type NodePort', fields: { ...balanced, type: 'NodePort' }, want: 0 },
  {
    title: 'not of type ClusterIP, though external IPs make the policy count',
    fields: { ...balanced, type: 'ClusterIP', externalIPs: ['203.0.113.1'] },
    want: 0,
  },
  { title: 'none was given', fields: { ...balanced, healthCheckNodePort: 0 }, want: 0 },
]
for (const { title, fields, want } of healthChecks) {
  t.test(`health check: ${title}`, async t => {
    const ports = [servicePort(), servicePort({ name: 'other', port: 81 })]
    const object = service({ healthCheckNodePort: 30500, ports, ...fields })
    const found = servicePortsOf(object, 4).map(port => port.healthCheckNodePort)
    t.strictSame(found, [want, want])
  })
}

t.test('a node port counts whatever the type', async t => {
  const [port] = servicePortsOf(service({ ports: [servicePort({ nodePort: 30000 })] }), 4)
  t.equal(port !== undefined && isExternallyAccessible(port), true)
})
