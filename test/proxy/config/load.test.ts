import t from 'tap'
import { ConfigError } from '#runtime/error.ts'
import { fieldFlags, parseFlag } from '../../../src/proxy/config/flags.ts'
import {
  configFromFile,
  configFromFlags,
  type GivenFlags,
  type Ports,
} from '../../../src/proxy/config/load.ts'
import { defaultConfig, type ProxyConfig } from '../../../src/proxy/config/schema.ts'
import { support, valueAt } from '../../../src/proxy/config/support.ts'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

/** `name=text` for each flag. */
const given = (...flags: readonly string[]): GivenFlags =>
  flags.map(text => {
    const [name, ...value] = text.split('=')
    const flag = fieldFlags.find(candidate => candidate.name === name)
    if (flag === undefined) throw new Error(`no flag ${name}`)
    return { flag, value: parseFlag(flag.kind, value.join('='), undefined) }
  })

const problems = (flags: readonly string[], ports?: Ports): readonly string[] => {
  try {
    configFromFlags(given(...flags), ports)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

t.test('no flags: the defaults, and nothing to warn about', async t => {
  t.strictSame(configFromFlags([]), { config: defaultConfig(), warnings: [] })
})

/** A value for every flag, and what its first field becomes. */
const values: Readonly<Record<string, readonly [text: string, want: unknown]>> = {
  'feature-gates': ['AllowServiceExternalIPs=false', { AllowServiceExternalIPs: false }],
  kubeconfig: ['/etc/kube.conf', '/etc/kube.conf'],
  'kube-api-content-type': ['application/json', 'application/json'],
  'kube-api-qps': ['7.5', 7.5],
  'kube-api-burst': ['20', 20],
  'logging-format': ['json', 'json'],
  'log-flush-frequency': ['10s', '10s'],
  v: ['4', 4],
  vmodule: ['proxy=3', [{ filePattern: 'proxy', verbosity: 3 }]],
  'log-text-split-stream': ['true', true],
  'log-text-info-buffer-size': ['1Mi', '1Mi'],
  'log-json-split-stream': ['true', true],
  'log-json-info-buffer-size': ['1Mi', '1Mi'],
  'hostname-override': [' Node-A ', 'node-a'],
  'bind-address': ['192.0.2.1', '192.0.2.1'],
  'healthz-bind-address': ['192.0.2.1', '192.0.2.1:10256'],
  'metrics-bind-address': ['[::1]:99', '[::1]:99'],
  'bind-address-hard-fail': ['true', true],
  profiling: ['true', true],
  'show-hidden-metrics-for-version': ['1.35', '1.35'],
  'proxy-mode': ['nftables', 'nftables'],
  'iptables-masquerade-bit': ['0', 0],
  'masquerade-all': ['true', true],
  'iptables-localhost-nodeports': ['false', false],
  'iptables-sync-period': ['1m', '1m0s'],
  'iptables-min-sync-period': ['0', '0s'],
  'ipvs-sync-period': ['1m', '1m0s'],
  'ipvs-min-sync-period': ['2s', '2s'],
  'ipvs-scheduler': ['lc', 'lc'],
  'ipvs-exclude-cidrs': ['10.0.0.0/8,11.0.0.0/8', ['10.0.0.0/8', '11.0.0.0/8']],
  'ipvs-strict-arp': ['true', true],
  'ipvs-tcp-timeout': ['1s', '1s'],
  'ipvs-tcpfin-timeout': ['1s', '1s'],
  'ipvs-udp-timeout': ['1s', '1s'],
  'detect-local-mode': ['NodeCIDR', 'NodeCIDR'],
  'pod-bridge-interface': ['br0', 'br0'],
  'pod-interface-name-prefix': ['veth', 'veth'],
  'cluster-cidr': ['10.244.0.0/16', '10.244.0.0/16'],
  'nodeport-addresses': ['primary', ['primary']],
  'oom-score-adj': ['-500', -500],
  'conntrack-max-per-core': ['0', 0],
  'conntrack-min': ['1', 1],
  'conntrack-tcp-timeout-established': ['1h', '1h0m0s'],
  'conntrack-tcp-timeout-close-wait': ['1m', '1m0s'],
  'conntrack-tcp-be-liberal': ['true', true],
  'conntrack-udp-timeout': ['1s', '1s'],
  'conntrack-udp-timeout-stream': ['1s', '1s'],
  'config-sync-period': ['1m', '1m0s'],
}
t.strictSame(
  Object.keys(values),
  fieldFlags.map(({ name }) => name),
  'every flag is in the table',
)
for (const flag of fieldFlags) {
  const [text, want] = values[flag.name] ?? ['', undefined]
  t.test(`--${flag.name} ${text}`, async t => {
    const gates = /^log-.*-(stream|size)$/.test(flag.name)
      ? ['feature-gates=LoggingAlphaOptions=true']
      : []
    const { config, warnings } = configFromFlags(given(`${flag.name}=${text}`, ...gates))
    for (const field of flag.fields) t.strictSame(valueAt(config, field), want, field)
    // Without a mode nftables runs, and the section iptables is read.
    const works = flag.fields.some(field => {
      const entry = support[field]
      if (entry?.state !== 'works') return false
      return (
        entry.modes?.includes('nftables') !== false && entry.asked?.includes('iptables') !== false
      )
    })
    const own = warnings.filter(problem => problem.field?.endsWith(`-${flag.name}`))
    t.equal(own.length, works ? 0 : 1, 'warnings')
  })
}

t.test('a flag that is not acted on is warned about by name and value', async t => {
  t.match(configFromFlags(given('config-sync-period=1m')).warnings, [
    { field: '--config-sync-period', message: '"1m0s" has no effect (watches need no resync)' },
  ])
})

t.test('a flag for several sections is told of where none of them is read', async t => {
  const warned = (...flags: readonly string[]) =>
    configFromFlags(given(...flags)).warnings.map(({ field }) => field)
  for (const mode of ['iptables', 'nftables', 'ipvs']) {
    t.strictSame(warned(`proxy-mode=${mode}`, 'masquerade-all=true'), [])
  }
  t.strictSame(warned('proxy-mode=nftables', 'iptables-sync-period=1m'), [])
  t.strictSame(warned('proxy-mode=ipvs', 'iptables-sync-period=1m'), ['--iptables-sync-period'])
  t.strictSame(warned('iptables-min-sync-period=2s'), ['--iptables-min-sync-period'])
})

t.test('a mode that is there is not warned of', async t => {
  t.strictSame(configFromFlags(given('proxy-mode=nftables')).warnings, [])
})

t.test('an empty server address keeps the default', async t => {
  const { config } = configFromFlags(given('healthz-bind-address=', 'metrics-bind-address='))
  t.match(config, { healthzBindAddress: '0.0.0.0:10256', metricsBindAddress: '127.0.0.1:10249' })
})

t.test('the deprecated ports: for an address without port; 0 takes the server away', async t => {
  const addresses = given('healthz-bind-address=192.0.2.1', 'metrics-bind-address=::1')
  t.match(configFromFlags(addresses, { healthzPort: 80, metricsPort: 81 }).config, {
    healthzBindAddress: '192.0.2.1:80',
    metricsBindAddress: '[::1]:81',
  })
  t.match(configFromFlags([], { healthzPort: 80 }).config.healthzBindAddress, '0.0.0.0:10256')
  t.match(configFromFlags(addresses, { healthzPort: 0, metricsPort: 0 }).config, {
    healthzBindAddress: '',
    metricsBindAddress: '',
  })
})

t.test('problems name the flag', async t => {
  t.match(problems(['cluster-cidr=x'])[0], /^--cluster-cidr: 'x' is not a CIDR/)
  t.match(problems(['iptables-sync-period=0'])[0], /^--iptables-sync-period: 0s is not above 0/)
  t.match(problems(['nodeport-addresses=primary,x'])[0], /^--nodeport-addresses: 'primary' must/)
  t.match(problems(['v=-1'])[0], /^-v: /)
  t.match(
    problems(['log-json-split-stream=true'])[0],
    /^--log-json-split-stream: needs the feature/,
  )
  t.match(problems(['logging-format=json', 'vmodule=a=1'])[0], /^--vmodule: works with the format/)
  t.match(problems(['hostname-override= '])[0], /^--hostname-override: must not be blank/)
  t.equal(problems(['proxy-mode=x', 'oom-score-adj=5000']).length, 2)
})

const fromFile = (body: string, ...flags: readonly string[]) =>
  configFromFile(`${HEAD}mode: nftables\n${body}`, 'kp.yaml', given(...flags))

t.test('with a file: --hostname-override and the logging flags win', async t => {
  const options = '{ splitStream: false, infoBufferSize: 1Ki }'
  const { config, warnings } = fromFile(
    `hostnameOverride: file
featureGates: { LoggingAlphaOptions: true }
logging:
  format: json
  flushFrequency: 1s
  verbosity: 1
  options: { text: ${options}, json: ${options} }
`,
    'hostname-override=Flag',
    'logging-format=text',
    'log-flush-frequency=2s',
    'v=4',
    'log-text-split-stream=true',
    'log-text-info-buffer-size=2Ki',
    'log-json-split-stream=true',
    'log-json-info-buffer-size=3Ki',
  )
  t.equal(config.hostnameOverride, 'flag')
  t.strictSame(config.logging, {
    format: 'text',
    flushFrequency: '2s',
    verbosity: 4,
    vmodule: [],
    options: {
      text: { splitStream: true, infoBufferSize: '2Ki' },
      json: { splitStream: true, infoBufferSize: '3Ki' },
    },
  })
  t.ok(warnings.every(({ field }) => field?.startsWith('logging.')))
})

t.test('with a file: the lists of --vmodule and the file are joined', async t => {
  const body = 'logging: { vmodule: [{ filePattern: a, verbosity: 1 }] }\n'
  const { config, warnings } = fromFile(body, 'vmodule=b=2')
  t.strictSame(config.logging.vmodule, [
    { filePattern: 'b', verbosity: 2 },
    { filePattern: 'a', verbosity: 1 },
  ])
  t.match(warnings, [{ file: 'kp.yaml', field: 'logging.vmodule' }])
})

t.test('with a file: every other flag is ignored, and said to be', async t => {
  const { config, warnings } = fromFile('clusterCIDR: 10.0.0.0/8\n', 'cluster-cidr=11.0.0.0/8')
  t.equal(config.clusterCIDR, '10.0.0.0/8')
  t.match(warnings, [
    {
      field: '--cluster-cidr',
      message: 'ignored because of --config; the file has clusterCIDR for it',
    },
  ])
})

t.test('with a file: what the flags leave alone stays as it is', async t => {
  t.strictSame(fromFile('').config, { ...defaultConfig(), mode: 'nftables' } satisfies ProxyConfig)
  t.strictSame(fromFile('', 'v=0').config, fromFile('').config)
})
