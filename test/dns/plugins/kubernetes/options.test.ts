import t from 'tap'
import { parseKubernetes } from '#dns/plugins/kubernetes/options.ts'
import { ConfigError } from '#runtime/error.ts'
import { directive } from '../../../helper/dns.ts'

const context = { zones: ['cluster.local.'], directory: '/etc/nodeplane' }
const parse = (text: string) => parseKubernetes(directive(text), context)

t.test('without options every one has CoreDNS’s default', async t => {
  t.strictSame(parse('kubernetes'), {
    zones: ['cluster.local.'],
    primaryZone: 'cluster.local.',
    ttl: 5,
    pods: 'disabled',
    namespaces: undefined,
    namespaceLabels: undefined,
    labels: undefined,
    multicluster: [],
    zonal: false,
    endpointPodNames: false,
    endpoints: true,
    ignoreEmptyServices: false,
    fallthrough: undefined,
    startupTimeoutMs: 5000,
    connection: {},
  })
})

t.test('every option is read', async t => {
  for (const [text, want] of [
    [
      'kubernetes Cluster.Example 10.0.0.0/15',
      {
        zones: ['cluster.example.', '0.10.in-addr.arpa.', '1.10.in-addr.arpa.'],
        primaryZone: 'cluster.example.',
      },
    ],
    ['kubernetes in-addr.arpa k8s.', { primaryZone: 'k8s.' }],
    ['kubernetes k8s fd00::/12', { zones: ['k8s.', '0.d.f.ip6.arpa.'] }],
    ['kubernetes\nttl 0', { ttl: 0 }],
    ['kubernetes\nttl 3600', { ttl: 3600 }],
    ['kubernetes\npods insecure', { pods: 'insecure' }],
    ['kubernetes\nnamespaces a b', { namespaces: new Set(['a', 'b']) }],
    ['kubernetes\nnamespace_labels a in (b, c)', { namespaceLabels: { text: 'a in (b, c)' } }],
    ['kubernetes\nlabels a=b', { labels: { text: 'a=b' } }],
    ['kubernetes\nzonal', { zonal: true }],
    [
      'kubernetes clusterset.local cluster.local\nmulticluster ClusterSet.local',
      { multicluster: ['clusterset.local.'], primaryZone: 'cluster.local.' },
    ],
    ['kubernetes\nendpoint_pod_names', { endpointPodNames: true }],
    ['kubernetes\nnoendpoints', { endpoints: false }],
    ['kubernetes\nignore empty_service', { ignoreEmptyServices: true }],
    ['kubernetes\nfallthrough', { fallthrough: ['.'] }],
    ['kubernetes\nfallthrough in-addr.arpa K8s', { fallthrough: ['in-addr.arpa.', 'k8s.'] }],
    ['kubernetes\nstartup_timeout 1m30s', { startupTimeoutMs: 90_000 }],
    ['kubernetes\nmanifests cluster', { connection: { manifests: '/etc/nodeplane/cluster' } }],
    [
      'kubernetes\nkubeconfig /k/config ctx',
      { connection: { kubeconfig: '/k/config', context: 'ctx' } },
    ],
    [
      'kubernetes\nendpoint https://10.0.0.1:6443\ntls a.crt a.key /ca',
      {
        connection: {
          endpoint: 'https://10.0.0.1:6443',
          tls: { cert: '/etc/nodeplane/a.crt', key: '/etc/nodeplane/a.key', ca: '/ca' },
        },
      },
    ],
  ] as const) {
    t.match(parse(text), want, text)
  }
})

t.test('what is wrong is said with file, line and option', async t => {
  for (const [text, message] of [
    ['kubernetes in-addr.arpa', 'Corefile:2: kubernetes: has reverse zones only'],
    ['kubernetes 10.0.0.0/33', 'Corefile:2: kubernetes: "10.0.0.0/33" is no zone'],
    ['kubernetes\nttl', 'Corefile:3: kubernetes ttl: needs one number of seconds, 0 to 3600'],
    ['kubernetes\nttl 3601', 'Corefile:3: kubernetes ttl: needs one number'],
    ['kubernetes\nttl -1', 'Corefile:3: kubernetes ttl: needs one number'],
    [
      'kubernetes\npods maybe',
      'Corefile:3: kubernetes pods: needs one of disabled, insecure, verified',
    ],
    ['kubernetes\nnamespaces', 'Corefile:3: kubernetes namespaces: needs at least one namespace'],
    ['kubernetes\nnamespace_labels', 'Corefile:3: kubernetes namespace_labels: needs a label'],
    ['kubernetes\nlabels a b', 'Corefile:3: kubernetes labels: selector "a b": '],
    [
      'kubernetes\nnamespaces a\nnamespace_labels b=c',
      'Corefile:2: kubernetes: has both namespaces and namespace_labels',
    ],
    ['kubernetes\nignore everything', 'Corefile:3: kubernetes ignore: knows empty_service only'],
    [
      'kubernetes\ntls a b',
      'Corefile:3: kubernetes tls: takes certificate, key and CA, not 2 arguments',
    ],
    ['kubernetes\ntls a b c', 'Corefile:2: kubernetes: has tls without endpoint'],
    [
      'kubernetes\nmanifests a\nkubeconfig b',
      'Corefile:2: kubernetes: has manifests and kubeconfig: choose one',
    ],
    ['kubernetes\nendpoint nonsense', 'Corefile:3: kubernetes endpoint: needs one URL'],
    [
      'kubernetes\nstartup_timeout soon',
      'Corefile:3: kubernetes startup_timeout: needs one duration',
    ],
    ['kubernetes\nmulticluster', 'Corefile:3: kubernetes multicluster: needs at least one zone'],
    ['kubernetes\nmulticluster x', 'Corefile:2: kubernetes: multicluster: x. is no forward zone'],
    ['kubernetes\nzonal yes', 'Corefile:3: kubernetes zonal: takes no argument'],
    ['kubernetes\nzonal\nnoendpoints', 'Corefile:2: kubernetes: has both zonal and noendpoints'],
    ['kubernetes\napiserver_qps 5', 'Corefile:3: kubernetes apiserver_qps: not needed'],
    ['kubernetes\nttk 5', 'Corefile:3: kubernetes ttk: unknown option'],
    ['kubernetes\ntoString', 'Corefile:3: kubernetes toString: unknown option'],
  ] as const) {
    t.throws(() => parse(text), { message: new RegExp(`^${RegExp.escape(message)}`) }, text)
  }
  try {
    parse('kubernetes\nttl x\npods y')
    t.fail('two problems')
  } catch (error) {
    t.equal(error instanceof ConfigError && error.problems.length, 2, 'all problems at once')
  }
})
