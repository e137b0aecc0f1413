import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { endpoint, type service, servicePort, slice } from '../../helper/cluster.ts'
import { type options, tablesOf } from './tables-of.ts'

/** The Service `nsN/svcN` with port `p80` of kube-proxy's own tests (pkg/proxy/iptables/proxier_test.go), whose chains are known. */
const numbered = (
  number: number,
  fields: Partial<Service> & { readonly nodePort?: number } = {},
) => {
  const { nodePort = 0, ...others } = fields
  return {
    namespace: `ns${number}`,
    name: `svc${number}`,
    clusterIP: `172.30.0.4${number}`,
    ports: [servicePort({ name: 'p80', nodePort })],
    ...others,
  }
}
const numberedSlice = (number: number, addresses: readonly string[], nodeName = 'node-1') =>
  slice({
    namespace: `ns${number}`,
    labels: { [SERVICE_NAME_LABEL]: `svc${number}` },
    ports: [{ name: 'p80', protocol: 'TCP', port: 80 }],
    endpoints: addresses.map(address => endpoint(address, { nodeName })),
  })
const kubeProxy = {
  isTerse: false,
  detector: { by: 'source', prefix: parsePrefix('10.0.0.0/8') as IpPrefix },
  nodeIPs: ['192.168.0.2' as IpAddress],
} as const
const balanced = (ip: string) => ({ type: 'LoadBalancer', loadBalancerIngress: [{ ip }] }) as const

// The chains, comments and order are those that kube-proxy writes, in the words of iptables-save.
const shapes: readonly {
  title: string
  fields: Parameters<typeof service>[0]
  slices: readonly EndpointSlice[]
  changes?: Partial<typeof options>
  want: Readonly<Record<string, readonly string[]>>
}[] = [
  {
    title: 'a cluster IP',
    fields: numbered(1),
    slices: [numberedSlice(1, ['10.180.0.1'])],
    want: {
      'nat KUBE-SEP-SXIVWICOYRO3J4NJ': [
        '-A KUBE-SEP-SXIVWICOYRO3J4NJ -s 10.180.0.1/32 -m comment --comment "ns1/svc1:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-SXIVWICOYRO3J4NJ -p tcp -m comment --comment "ns1/svc1:p80" -m tcp -j DNAT --to-destination 10.180.0.1:80',
      ],
      'nat KUBE-SVC-XPGD46QRK7WJZT7O': [
        '-A KUBE-SVC-XPGD46QRK7WJZT7O ! -s 10.0.0.0/8 -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        '-A KUBE-SVC-XPGD46QRK7WJZT7O -m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j KUBE-SEP-SXIVWICOYRO3J4NJ',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O',
      ],
    },
  },
  {
    title: 'a cluster IP in a large cluster: without comments in its own chains',
    fields: numbered(1),
    slices: [numberedSlice(1, ['10.180.0.1'])],
    changes: { isTerse: true },
    want: {
      'nat KUBE-SEP-SXIVWICOYRO3J4NJ': [
        '-A KUBE-SEP-SXIVWICOYRO3J4NJ -s 10.180.0.1/32 -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-SXIVWICOYRO3J4NJ -p tcp -m tcp -j DNAT --to-destination 10.180.0.1:80',
      ],
      'nat KUBE-SVC-XPGD46QRK7WJZT7O': [
        '-A KUBE-SVC-XPGD46QRK7WJZT7O ! -s 10.0.0.0/8 -d 172.30.0.41/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ',
        '-A KUBE-SVC-XPGD46QRK7WJZT7O -j KUBE-SEP-SXIVWICOYRO3J4NJ',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-XPGD46QRK7WJZT7O',
      ],
    },
  },
  {
    title: 'a load balancer of policy Local, with an external IP, whose endpoint is elsewhere',
    fields: numbered(2, {
      ...balanced('1.2.3.4'),
      externalTrafficPolicy: 'Local',
      externalIPs: ['192.168.99.22'],
      nodePort: 3001,
      healthCheckNodePort: 30000,
    }),
    slices: [numberedSlice(2, ['10.180.0.2'], 'node-2')],
    want: {
      'nat KUBE-SEP-RS4RBKLTHTF2IUXJ': [
        '-A KUBE-SEP-RS4RBKLTHTF2IUXJ -s 10.180.0.2/32 -m comment --comment "ns2/svc2:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-RS4RBKLTHTF2IUXJ -p tcp -m comment --comment "ns2/svc2:p80" -m tcp -j DNAT --to-destination 10.180.0.2:80',
      ],
      'nat KUBE-SVC-GNZBNJ2PO5MGZ6GT': [
        '-A KUBE-SVC-GNZBNJ2PO5MGZ6GT ! -s 10.0.0.0/8 -d 172.30.0.42/32 -p tcp -m comment --comment "ns2/svc2:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        '-A KUBE-SVC-GNZBNJ2PO5MGZ6GT -m comment --comment "ns2/svc2:p80 -> 10.180.0.2:80" -j KUBE-SEP-RS4RBKLTHTF2IUXJ',
      ],
      'nat KUBE-EXT-GNZBNJ2PO5MGZ6GT': [
        '-A KUBE-EXT-GNZBNJ2PO5MGZ6GT -s 10.0.0.0/8 -m comment --comment "pod traffic for ns2/svc2:p80 external destinations" -j KUBE-SVC-GNZBNJ2PO5MGZ6GT',
        '-A KUBE-EXT-GNZBNJ2PO5MGZ6GT -m comment --comment "masquerade LOCAL traffic for ns2/svc2:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
        '-A KUBE-EXT-GNZBNJ2PO5MGZ6GT -m comment --comment "route LOCAL traffic for ns2/svc2:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-GNZBNJ2PO5MGZ6GT',
      ],
      'filter KUBE-NODEPORTS': [
        '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns2/svc2:p80 health check node port" -m tcp --dport 30000 -j ACCEPT',
      ],
      'filter KUBE-EXTERNAL-SERVICES': [
        '-A KUBE-EXTERNAL-SERVICES -d 192.168.99.22/32 -p tcp -m comment --comment "ns2/svc2:p80 has no local endpoints" -m tcp --dport 80 -j DROP',
        '-A KUBE-EXTERNAL-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns2/svc2:p80 has no local endpoints" -m tcp --dport 80 -j DROP',
        '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "ns2/svc2:p80 has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 3001 -j DROP',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.42/32 -p tcp -m comment --comment "ns2/svc2:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-GNZBNJ2PO5MGZ6GT',
        '-A KUBE-SERVICES -d 192.168.99.22/32 -p tcp -m comment --comment "ns2/svc2:p80 external IP" -m tcp --dport 80 -j KUBE-EXT-GNZBNJ2PO5MGZ6GT',
        '-A KUBE-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns2/svc2:p80 loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-GNZBNJ2PO5MGZ6GT',
      ],
      'nat KUBE-NODEPORTS': [
        '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns2/svc2:p80" -m tcp --dport 3001 -j KUBE-EXT-GNZBNJ2PO5MGZ6GT',
      ],
    },
  },
  {
    title: 'policy Local with an endpoint here, without a detector: pods are as others',
    fields: numbered(3, { type: 'NodePort', externalTrafficPolicy: 'Local', nodePort: 3003 }),
    slices: [numberedSlice(3, ['10.180.0.3'])],
    changes: { detector: undefined },
    want: {
      'nat KUBE-SEP-OYPFS5VJICHGATKP': [
        '-A KUBE-SEP-OYPFS5VJICHGATKP -s 10.180.0.3/32 -m comment --comment "ns3/svc3:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-OYPFS5VJICHGATKP -p tcp -m comment --comment "ns3/svc3:p80" -m tcp -j DNAT --to-destination 10.180.0.3:80',
      ],
      'nat KUBE-SVC-X27LE4BHSL4DOUIK': [
        '-A KUBE-SVC-X27LE4BHSL4DOUIK -m comment --comment "ns3/svc3:p80 -> 10.180.0.3:80" -j KUBE-SEP-OYPFS5VJICHGATKP',
      ],
      'nat KUBE-SVL-X27LE4BHSL4DOUIK': [
        '-A KUBE-SVL-X27LE4BHSL4DOUIK -m comment --comment "ns3/svc3:p80 -> 10.180.0.3:80" -j KUBE-SEP-OYPFS5VJICHGATKP',
      ],
      'nat KUBE-EXT-X27LE4BHSL4DOUIK': [
        '-A KUBE-EXT-X27LE4BHSL4DOUIK -m comment --comment "masquerade LOCAL traffic for ns3/svc3:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
        '-A KUBE-EXT-X27LE4BHSL4DOUIK -m comment --comment "route LOCAL traffic for ns3/svc3:p80 external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-X27LE4BHSL4DOUIK',
        '-A KUBE-EXT-X27LE4BHSL4DOUIK -j KUBE-SVL-X27LE4BHSL4DOUIK',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.43/32 -p tcp -m comment --comment "ns3/svc3:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-X27LE4BHSL4DOUIK',
      ],
      'nat KUBE-NODEPORTS': [
        '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns3/svc3:p80" -m tcp --dport 3003 -j KUBE-EXT-X27LE4BHSL4DOUIK',
      ],
    },
  },
  {
    title: 'internal policy Local: the cluster IP has its masquerading in the other chain',
    fields: numbered(4, {
      type: 'NodePort',
      externalIPs: ['192.168.99.33'],
      internalTrafficPolicy: 'Local',
    }),
    slices: [numberedSlice(4, ['10.180.0.4', '10.180.0.5'])],
    want: {
      'nat KUBE-SEP-UKSFD7AGPMPPLUHC': [
        '-A KUBE-SEP-UKSFD7AGPMPPLUHC -s 10.180.0.4/32 -m comment --comment "ns4/svc4:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-UKSFD7AGPMPPLUHC -p tcp -m comment --comment "ns4/svc4:p80" -m tcp -j DNAT --to-destination 10.180.0.4:80',
      ],
      'nat KUBE-SEP-C6EBXVWJJZMIWKLZ': [
        '-A KUBE-SEP-C6EBXVWJJZMIWKLZ -s 10.180.0.5/32 -m comment --comment "ns4/svc4:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-C6EBXVWJJZMIWKLZ -p tcp -m comment --comment "ns4/svc4:p80" -m tcp -j DNAT --to-destination 10.180.0.5:80',
      ],
      'nat KUBE-SVC-4SW47YFZTEDKD3PK': [
        '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC',
        '-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ',
      ],
      'nat KUBE-SVL-4SW47YFZTEDKD3PK': [
        '-A KUBE-SVL-4SW47YFZTEDKD3PK ! -s 10.0.0.0/8 -d 172.30.0.44/32 -p tcp -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        '-A KUBE-SVL-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC',
        '-A KUBE-SVL-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ',
      ],
      'nat KUBE-EXT-4SW47YFZTEDKD3PK': [
        '-A KUBE-EXT-4SW47YFZTEDKD3PK -m comment --comment "masquerade traffic for ns4/svc4:p80 external destinations" -j KUBE-MARK-MASQ',
        '-A KUBE-EXT-4SW47YFZTEDKD3PK -j KUBE-SVC-4SW47YFZTEDKD3PK',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.44/32 -p tcp -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVL-4SW47YFZTEDKD3PK',
        '-A KUBE-SERVICES -d 192.168.99.33/32 -p tcp -m comment --comment "ns4/svc4:p80 external IP" -m tcp --dport 80 -j KUBE-EXT-4SW47YFZTEDKD3PK',
      ],
    },
  },
  {
    title: 'source ranges that hold the node, and clients that stay with their endpoint',
    fields: numbered(5, {
      ...balanced('1.2.3.4'),
      loadBalancerSourceRanges: ['203.0.113.0/25', '192.168.0.0/24'],
      nodePort: 3002,
      affinityTimeoutSeconds: 10800,
    }),
    slices: [numberedSlice(5, ['10.180.0.3'])],
    want: {
      'nat KUBE-SEP-I77PXRDZVX7PMWMN': [
        '-A KUBE-SEP-I77PXRDZVX7PMWMN -s 10.180.0.3/32 -m comment --comment "ns5/svc5:p80" -j KUBE-MARK-MASQ',
        '-A KUBE-SEP-I77PXRDZVX7PMWMN -p tcp -m comment --comment "ns5/svc5:p80" -m recent --set --name KUBE-SEP-I77PXRDZVX7PMWMN --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.180.0.3:80',
      ],
      'nat KUBE-SVC-NUKIZ6OKUXPJNT4C': [
        '-A KUBE-SVC-NUKIZ6OKUXPJNT4C ! -s 10.0.0.0/8 -d 172.30.0.45/32 -p tcp -m comment --comment "ns5/svc5:p80 cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        '-A KUBE-SVC-NUKIZ6OKUXPJNT4C -m comment --comment "ns5/svc5:p80 -> 10.180.0.3:80" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-I77PXRDZVX7PMWMN --mask 255.255.255.255 --rsource -j KUBE-SEP-I77PXRDZVX7PMWMN',
        '-A KUBE-SVC-NUKIZ6OKUXPJNT4C -m comment --comment "ns5/svc5:p80 -> 10.180.0.3:80" -j KUBE-SEP-I77PXRDZVX7PMWMN',
      ],
      'nat KUBE-EXT-NUKIZ6OKUXPJNT4C': [
        '-A KUBE-EXT-NUKIZ6OKUXPJNT4C -m comment --comment "masquerade traffic for ns5/svc5:p80 external destinations" -j KUBE-MARK-MASQ',
        '-A KUBE-EXT-NUKIZ6OKUXPJNT4C -j KUBE-SVC-NUKIZ6OKUXPJNT4C',
      ],
      'nat KUBE-FW-NUKIZ6OKUXPJNT4C': [
        '-A KUBE-FW-NUKIZ6OKUXPJNT4C -s 203.0.113.0/25 -m comment --comment "ns5/svc5:p80 loadbalancer IP" -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
        '-A KUBE-FW-NUKIZ6OKUXPJNT4C -s 192.168.0.0/24 -m comment --comment "ns5/svc5:p80 loadbalancer IP" -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
        '-A KUBE-FW-NUKIZ6OKUXPJNT4C -s 1.2.3.4/32 -m comment --comment "ns5/svc5:p80 loadbalancer IP" -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
        '-A KUBE-FW-NUKIZ6OKUXPJNT4C -m comment --comment "other traffic to ns5/svc5:p80 will be dropped by KUBE-PROXY-FIREWALL"',
      ],
      'filter KUBE-PROXY-FIREWALL': [
        '-A KUBE-PROXY-FIREWALL -d 1.2.3.4/32 -p tcp -m comment --comment "ns5/svc5:p80 traffic not accepted by KUBE-FW-NUKIZ6OKUXPJNT4C" -m tcp --dport 80 -j DROP',
      ],
      'nat KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.45/32 -p tcp -m comment --comment "ns5/svc5:p80 cluster IP" -m tcp --dport 80 -j KUBE-SVC-NUKIZ6OKUXPJNT4C',
        '-A KUBE-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns5/svc5:p80 loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-NUKIZ6OKUXPJNT4C',
      ],
      'nat KUBE-NODEPORTS': [
        '-A KUBE-NODEPORTS -p tcp -m comment --comment "ns5/svc5:p80" -m tcp --dport 3002 -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
      ],
    },
  },
  {
    // kube-proxy refuses TCP by ICMP as well.
    title: 'no endpoints at all, with source ranges: everybody is refused',
    fields: numbered(6, {
      ...balanced('1.2.3.4'),
      loadBalancerSourceRanges: ['203.0.113.0/25'],
      nodePort: 3002,
      ports: ['TCP', 'UDP'].map(protocol =>
        servicePort({ name: 'p80', protocol: protocol as 'TCP' | 'UDP', nodePort: 3002 }),
      ),
    }),
    slices: [],
    want: {
      'filter KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.46/32 -p tcp -m comment --comment "ns6/svc6:p80 has no endpoints" -m tcp --dport 80 -j REJECT --reject-with tcp-reset',
        '-A KUBE-SERVICES -d 172.30.0.46/32 -p udp -m comment --comment "ns6/svc6:p80 has no endpoints" -m udp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
      ],
      'filter KUBE-EXTERNAL-SERVICES': [
        '-A KUBE-EXTERNAL-SERVICES -d 1.2.3.4/32 -p tcp -m comment --comment "ns6/svc6:p80 has no endpoints" -m tcp --dport 80 -j REJECT --reject-with tcp-reset',
        '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "ns6/svc6:p80 has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 3002 -j REJECT --reject-with tcp-reset',
        '-A KUBE-EXTERNAL-SERVICES -d 1.2.3.4/32 -p udp -m comment --comment "ns6/svc6:p80 has no endpoints" -m udp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
        '-A KUBE-EXTERNAL-SERVICES -p udp -m comment --comment "ns6/svc6:p80 has no endpoints" -m addrtype --dst-type LOCAL -m udp --dport 3002 -j REJECT --reject-with icmp-port-unreachable',
      ],
    },
  },
  {
    title: 'internal policy Local, the endpoint elsewhere: dropped',
    fields: numbered(1, { internalTrafficPolicy: 'Local' }),
    slices: [numberedSlice(1, ['10.180.0.1'], 'node-2')],
    want: {
      'filter KUBE-SERVICES': [
        '-A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -m comment --comment "ns1/svc1:p80 has no local endpoints" -m tcp --dport 80 -j DROP',
      ],
    },
  },
]

for (const { title, fields, slices, changes, want } of shapes) {
  t.test(`kube-proxy's rules: ${title}`, async t => {
    t.strictSame(Object.fromEntries(tablesOf(fields, slices, { ...kubeProxy, ...changes })), want)
  })
}
