import { readFile } from 'node:fs/promises'
import t from 'tap'
import { ConfigError } from '#runtime/error.ts'
import { configFromFile } from '../../../src/proxy/config/load.ts'
import { defaultConfig } from '../../../src/proxy/config/schema.ts'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

const config = (body = '') => configFromFile(`${HEAD}${body}`, 'kp.yaml').config

const problems = (body: string, head = HEAD): readonly string[] => {
  try {
    configFromFile(`${head}${body}`, 'kp.yaml')
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

t.test("an empty file has kube-proxy's defaults", async t => {
  t.strictSame(config(), {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    featureGates: {},
    clientConnection: {
      kubeconfig: '',
      acceptContentTypes: '',
      contentType: 'application/vnd.kubernetes.protobuf',
      qps: 5,
      burst: 10,
    },
    logging: {
      format: 'text',
      flushFrequency: '5s',
      verbosity: 0,
      vmodule: [],
      options: {
        text: { splitStream: false, infoBufferSize: '0' },
        json: { splitStream: false, infoBufferSize: '0' },
      },
    },
    hostnameOverride: '',
    bindAddress: '0.0.0.0',
    healthzBindAddress: '0.0.0.0:10256',
    metricsBindAddress: '127.0.0.1:10249',
    bindAddressHardFail: false,
    enableProfiling: false,
    showHiddenMetricsForVersion: '',
    mode: '',
    iptables: {
      masqueradeBit: 14,
      masqueradeAll: false,
      localhostNodePorts: true,
      syncPeriod: '30s',
      minSyncPeriod: '1s',
    },
    ipvs: {
      syncPeriod: '30s',
      minSyncPeriod: '0s',
      scheduler: 'rr',
      excludeCIDRs: [],
      strictARP: false,
      tcpTimeout: '0s',
      tcpFinTimeout: '0s',
      udpTimeout: '0s',
    },
    nftables: {
      masqueradeBit: 14,
      masqueradeAll: false,
      syncPeriod: '30s',
      minSyncPeriod: '1s',
    },
    winkernel: {
      networkName: '',
      sourceVip: '',
      enableDSR: false,
      rootHnsEndpointName: '',
      forwardHealthCheckVip: false,
    },
    detectLocalMode: 'ClusterCIDR',
    detectLocal: { bridgeInterface: '', interfaceNamePrefix: '' },
    clusterCIDR: '',
    nodePortAddresses: [],
    oomScoreAdj: -999,
    conntrack: {
      maxPerCore: 32768,
      min: 131072,
      tcpEstablishedTimeout: '24h0m0s',
      tcpCloseWaitTimeout: '1h0m0s',
      tcpBeLiberal: false,
      udpTimeout: '0s',
      udpStreamTimeout: '0s',
    },
    configSyncPeriod: '15m0s',
    portRange: '',
    windowsRunAsService: false,
  })
})

t.test(
  'a file with every field at zero or null, as kubeadm writes it, is the defaults',
  async t => {
    const file = new URL('../../fixtures/kube-proxy-config-zero.yaml', import.meta.url)
    const { config, warnings } = configFromFile(await readFile(file, 'utf8'), 'kp.yaml')
    t.strictSame(config, defaultConfig())
    t.match(warnings, [{ field: 'mode' }])
    t.equal(warnings.length, 1)
  },
)

const accepted: readonly { title: string; body: string; want: object }[] = [
  {
    title: 'an IPv6 bind address moves the servers to IPv6',
    body: 'bindAddress: "::"\n',
    want: { healthzBindAddress: '[::]:10256', metricsBindAddress: '[::1]:10249' },
  },
  {
    title: 'an address without port gets the default port',
    body: 'healthzBindAddress: 192.0.2.1\nmetricsBindAddress: fd00::1\n',
    want: { healthzBindAddress: '192.0.2.1:10256', metricsBindAddress: '[fd00::1]:10249' },
  },
  {
    title: 'addresses with port',
    body: 'healthzBindAddress: 192.0.2.1:80\nmetricsBindAddress: "[::]:1"\n',
    want: { healthzBindAddress: '192.0.2.1:80', metricsBindAddress: '[::]:1' },
  },
  {
    title: 'the host name is trimmed and lower case',
    body: 'hostnameOverride: " Node-A "\n',
    want: { hostnameOverride: 'node-a' },
  },
  {
    title: 'masqueradeBit 0 is a value, not the default',
    body: 'iptables: { masqueradeBit: 0 }\n',
    want: { iptables: { masqueradeBit: 0 } },
  },
  {
    title: 'oomScoreAdj and conntrack.maxPerCore 0 are values',
    body: 'oomScoreAdj: 0\nconntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s }\n',
    want: {
      oomScoreAdj: 0,
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s' },
    },
  },
  {
    title: 'minSyncPeriod 0 is the default, but for ipvs',
    body: 'iptables: { minSyncPeriod: 0s }\nipvs: { minSyncPeriod: 0s }\n',
    want: { iptables: { minSyncPeriod: '1s' }, ipvs: { minSyncPeriod: '0s' } },
  },
  {
    title: 'two cluster CIDRs of different families, leading zeros let through',
    body: 'clusterCIDR: 10.244.000.0/16,fd00::/48\n',
    want: { clusterCIDR: '10.244.000.0/16,fd00::/48' },
  },
  {
    title: 'clusterCIDR is not looked at in another detector mode',
    body: 'detectLocalMode: NodeCIDR\nclusterCIDR: nonsense\n',
    want: { detectLocalMode: 'NodeCIDR' },
  },
  {
    title: 'nodePortAddresses: CIDRs, or primary alone',
    body: 'nodePortAddresses: [primary]\n',
    want: { nodePortAddresses: ['primary'] },
  },
  {
    title: 'the bit and the timeouts of another mode are not looked at',
    body: 'mode: iptables\nnftables: { masqueradeBit: 99 }\nipvs: { tcpTimeout: -1s, excludeCIDRs: [x] }\n',
    want: { mode: 'iptables' },
  },
  {
    title: 'logging: a flush frequency in nanoseconds, amounts of bytes',
    body: 'featureGates: { LoggingAlphaOptions: true }\nlogging: { flushFrequency: 3000000000, options: { json: { infoBufferSize: 64Mi } } }\n',
    want: { logging: { flushFrequency: '3s', options: { json: { infoBufferSize: '64Mi' } } } },
  },
  {
    title: 'YAML 1.1: yes, no, on and off are booleans',
    body: 'ipvs: { strictARP: yes }\niptables: { masqueradeAll: On, localhostNodePorts: off }\nbindAddressHardFail: Y\n',
    want: {
      ipvs: { strictARP: true },
      iptables: { masqueradeAll: true, localhostNodePorts: false },
      bindAddressHardFail: true,
    },
  },
  {
    title: 'YAML 1.1: octal numbers, underscores, and the octal form of YAML 1.2',
    body: 'oomScoreAdj: 010\niptables: { masqueradeBit: 0o17 }\nconntrack: { min: 131_072 }\n',
    want: { oomScoreAdj: 8, iptables: { masqueradeBit: 15 }, conntrack: { min: 131072 } },
  },
  {
    title: 'YAML 1.1 as Go reads it: what looks like a time or a date is text',
    body: 'clientConnection: { kubeconfig: 10:30:00 }\nhostnameOverride: 2026-01-02\nportRange: 1:30.5\n',
    want: {
      clientConnection: { kubeconfig: '10:30:00' },
      hostnameOverride: '2026-01-02',
      portRange: '1:30.5',
    },
  },
  {
    title: 'addresses of both families need no quotes',
    body: 'bindAddress: fd00::1\nclusterCIDR: fd00:10:244::/48,10.244.0.0/16\nhealthzBindAddress: 192.0.2.1:10256\nnodePortAddresses: [::1/128, 10.0.0.0/8]\n',
    want: {
      bindAddress: 'fd00::1',
      clusterCIDR: 'fd00:10:244::/48,10.244.0.0/16',
      healthzBindAddress: '192.0.2.1:10256',
      nodePortAddresses: ['::1/128', '10.0.0.0/8'],
    },
  },
  {
    title: 'YAML 1.1: << merges',
    body: 'iptables: &shared { syncPeriod: 10s }\nnftables: { <<: *shared, masqueradeAll: true }\n',
    want: { nftables: { syncPeriod: '10s', masqueradeAll: true } },
  },
]
for (const { title, body, want } of accepted) {
  t.test(title, async t => t.match(config(body), want))
}

t.test('a file in JSON is read like one in YAML', async t => {
  const text = JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
  })
  t.equal(configFromFile(text, 'kp.json').config.mode, 'nftables')
})

const refused: readonly { body: string; says: RegExp }[] = [
  { body: 'mod: nftables', says: /^kp\.yaml:3:1: mod: unknown field; docs\/proxy-config\.md/ },
  {
    body: 'iptables:\n  masquerade: 1',
    says: /^kp\.yaml:4:3: iptables\.masquerade: unknown field/,
  },
  { body: 'mode: nftables\nmode: ipvs', says: /^kp\.yaml:4:1: .*unique/ },
  { body: 'mode: [', says: /^kp\.yaml:\d+:\d+: / },
  { body: 'mode: userspace', says: /^kp\.yaml:3:1: mode: .*"nftables"/ },
  { body: 'bindAddress: ::', says: /^kp\.yaml:3:/ },
  { body: 'ipvs:\n  strictARP: maybe', says: /^kp\.yaml:4:3: ipvs\.strictARP: expected boolean/ },
  { body: 'hostnameOverride: no', says: /^kp\.yaml:3:1: hostnameOverride: expected string/ },
  { body: 'bindAddress: here', says: /bindAddress: 'here' is not an IP address/ },
  { body: 'healthzBindAddress: 0.0.0.0:0', says: /healthzBindAddress: .*port 1 to 65535/ },
  { body: 'healthzBindAddress: 0.0.0.0:65536', says: /healthzBindAddress: .*port 1 to 65535/ },
  { body: 'metricsBindAddress: localhost:80', says: /metricsBindAddress: .*not IP:PORT/ },
  { body: 'bindAddressHardFail: "yes"', says: /bindAddressHardFail: expected boolean/ },
  { body: 'showHiddenMetricsForVersion: "1.30"', says: /showHiddenMetricsForVersion: .*1\.35/ },
  { body: 'iptables: { masqueradeBit: 32 }', says: /iptables\.masqueradeBit: .*31/ },
  { body: 'iptables: { masqueradeBit: -1 }', says: /iptables\.masqueradeBit: .*0/ },
  {
    body: 'mode: nftables\nnftables: { masqueradeBit: 32 }',
    says: /^kp\.yaml:4:13: nftables\.masqueradeBit: 32 is not between 0 and 31/,
  },
  { body: 'iptables: { syncPeriod: -1s }', says: /iptables\.syncPeriod: -1s is not above 0/ },
  { body: 'iptables: { minSyncPeriod: -1s }', says: /iptables\.minSyncPeriod: -1s is below 0/ },
  {
    body: 'mode: nftables\nnftables: { minSyncPeriod: 31s }',
    says: /nftables\.minSyncPeriod: 31s is longer than syncPeriod \(30s\)/,
  },
  { body: 'iptables: { syncPeriod: 30 }', says: /iptables\.syncPeriod: expected string/ },
  { body: 'iptables: { syncPeriod: soon }', says: /'soon' is not a duration like 30s/ },
  { body: 'mode: ipvs\nipvs: { udpTimeout: -1s }', says: /ipvs\.udpTimeout: -1s is below 0/ },
  {
    body: 'mode: ipvs\nipvs: { excludeCIDRs: [10.0.0.0/8, x] }',
    says: /^kp\.yaml:4:36: ipvs\.excludeCIDRs\[1\]: 'x' is not a CIDR/,
  },
  { body: 'detectLocalMode: Magic', says: /detectLocalMode: .*NodeCIDR/ },
  ...['a"b', 'veth*', 'cali+', 'a b', 'a/b', '-i', '!', '..', 'sixteen-bytes-xx', 'é'].map(
    name => ({
      body: `detectLocalMode: InterfaceNamePrefix\ndetectLocal: { interfaceNamePrefix: '${name}' }`,
      says: /detectLocal\.interfaceNamePrefix: ".*" is not the name of a network interface/,
    }),
  ),
  { body: 'detectLocalMode: BridgeInterface', says: /detectLocal\.bridgeInterface: missing/ },
  {
    body: 'detectLocalMode: InterfaceNamePrefix',
    says: /detectLocal\.interfaceNamePrefix: missing/,
  },
  {
    body: 'clusterCIDR: 10.0.0.0',
    says: /^kp\.yaml:3:1: clusterCIDR: '10\.0\.0\.0' is not a CIDR/,
  },
  { body: 'clusterCIDR: 10.0.0.0/8,10.1.0.0/16', says: /two CIDRs of one family/ },
  { body: 'clusterCIDR: 10.0.0.0/8,fd00::/8,11.0.0.0/8', says: /3 CIDRs/ },
  {
    body: 'nodePortAddresses: [primary, 10.0.0.0/8]',
    says: /^kp\.yaml:3:21: nodePortAddresses\[0\]: 'primary' must be the only entry/,
  },
  {
    body: 'nodePortAddresses: [10.0.0.1]',
    says: /nodePortAddresses\[0\]: '10\.0\.0\.1' is not a CIDR/,
  },
  { body: 'oomScoreAdj: 1001', says: /oomScoreAdj: .*1000/ },
  { body: 'conntrack: { min: -1 }', says: /conntrack\.min: .*0/ },
  { body: 'conntrack: { tcpCloseWaitTimeout: -1s }', says: /tcpCloseWaitTimeout: -1s is below 0/ },
  { body: 'configSyncPeriod: -1m', says: /configSyncPeriod: -1m0s is not above 0/ },
  { body: 'clientConnection: { burst: -1 }', says: /clientConnection\.burst: .*0/ },
  {
    body: 'logging: { format: json, vmodule: [{ filePattern: a, verbosity: 1 }] }',
    says: /logging\.vmodule: works with the format text only/,
  },
  {
    body: 'logging: { options: { text: { splitStream: true } } }',
    says: /^kp\.yaml:3:\d+: logging\.options\.text\.splitStream: needs the feature gate LoggingAlphaOptions, which is off/,
  },
  {
    body: 'featureGates: { AllAlpha: true, LoggingAlphaOptions: false }\nlogging: { options: { json: { infoBufferSize: 1Ki } } }',
    says: /logging\.options\.json\.infoBufferSize: needs the feature gate/,
  },
  { body: 'logging: { format: xml }', says: /logging\.format: .*json/ },
  { body: 'featureGates: { A: "yes" }', says: /featureGates\.A: expected boolean/ },
]
for (const { body, says } of refused) {
  t.test(`refused: ${JSON.stringify(body)}`, async t => t.match(problems(body)[0], says))
}

t.test('another kind or version is refused', async t => {
  t.match(problems('', 'kind: KubeProxyConfiguration\n')[0], /apiVersion: .*v1alpha1/)
  t.match(problems('', HEAD.replace('v1alpha1', 'v1'))[0], /^kp\.yaml:1:1: apiVersion: .*v1alpha1/)
  t.match(problems('', HEAD.replace('kind: Kube', 'kind: '))[0], /^kp\.yaml:2:1: kind: /)
})

t.test('all problems are told at once', async t => {
  const said = problems('mode: x\nclusterCIDR: 1\noomScoreAdj: 5000\nconntrack: { min: -1 }\n')
  t.equal(said.length, 4)
})
