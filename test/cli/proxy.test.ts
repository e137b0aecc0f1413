import { readFile } from 'node:fs/promises'
import t from 'tap'
import { run } from '../../src/cli/proxy.ts'
import { configFromFile } from '../../src/proxy/config/load.ts'
import { defaultConfig } from '../../src/proxy/config/schema.ts'
import { recordIo } from '../helper/command-io.ts'

const CONFIG =
  'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n'

const call = async (...args: readonly string[]) => {
  const io = recordIo()
  return { code: await run(args, io), ...io.written }
}

const directory = t.testdir({
  'kp.yaml': `${CONFIG}clusterCIDR: 10.0.0.0/8\n`,
  'named.yaml': `${CONFIG}hostnameOverride: node-a\n`,
  'wrong.yaml': `${CONFIG}modes: x\n`,
})

/** What --write-config-to writes for these arguments. */
const effective = async (...args: readonly string[]) => {
  const file = `${directory}/effective.yaml`
  const { code, stderr } = await call(...args, '--write-config-to', file)
  if (code !== 0) throw new Error(stderr)
  return { ...configFromFile(await readFile(file, 'utf8'), file), stderr }
}

t.test('--write-config-to writes what reads back as the same configuration', async t => {
  const { config } = await effective()
  t.strictSame(config, defaultConfig())
})

t.test('--write-config-to quotes what else would read back as something else', async t => {
  for (const name of ['no', 'on', '012', '1_0', '0o7']) {
    const { config } = await effective('--hostname-override', name)
    t.equal(config.hostnameOverride, name)
  }
})

t.test('flags in every form', async t => {
  const { config, stderr } = await effective(
    '--proxy-mode=nftables',
    '--cluster-cidr',
    '10.244.0.0/16,fd00:244::/48',
    '--masquerade-all',
    '--bind-address-hard-fail=false',
    '--nodeport-addresses',
    '192.0.2.0/24',
    '--nodeport-addresses=198.51.100.0/24,203.0.113.0/24',
    '-v=4',
    '--feature-gates',
    'AllAlpha=false',
    '--feature-gates=WatchListClient=false',
  )
  t.match(config, {
    mode: 'nftables',
    clusterCIDR: '10.244.0.0/16,fd00:244::/48',
    nftables: { masqueradeAll: true },
    bindAddressHardFail: false,
    nodePortAddresses: ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
    logging: { verbosity: 4 },
    featureGates: { AllAlpha: false, WatchListClient: false },
  })
  t.strictSame(stderr.trimEnd().split('\n'), [
    'nodeplane: warning: --feature-gates: WatchListClient=false has no effect (nothing here goes by it)',
  ])
})

t.test('-v and --v, their number together or apart', async t => {
  for (const args of [['-v4'], ['-v=4'], ['-v', '4'], ['--v=4'], ['--v', '4']]) {
    t.equal((await effective(...args)).config.logging.verbosity, 4, args.join(' '))
  }
})

t.test('an underscore in the name of a flag is a dash, in its value it is none', async t => {
  const { config } = await effective('--cluster_cidr=10.0.0.0/8', '--hostname_override', 'a_b')
  t.match(config, { clusterCIDR: '10.0.0.0/8', hostnameOverride: 'a_b' })
})

t.test('--config: the file counts, ignored flags are named', async t => {
  const { config, stderr } = await effective(
    '--config',
    `${directory}/kp.yaml`,
    '--cluster-cidr=11.0.0.0/8',
    '--hostname-override=node-b',
    '--healthz-port=80',
  )
  t.match(config, { clusterCIDR: '10.0.0.0/8', hostnameOverride: 'node-b' })
  t.match(stderr, /--cluster-cidr: ignored because of --config; the file has clusterCIDR/)
  t.match(stderr, /--healthz-port: ignored because of --config/)
})

t.test('--hostname-override= without a name is as none, with a file too', async t => {
  t.equal((await effective('--hostname-override=')).config.hostnameOverride, '')
  const named = `${directory}/named.yaml`
  const { config } = await effective('--config', named, '--hostname-override=')
  t.equal(config.hostnameOverride, 'node-a')
})

t.test('without --config the deprecated ports count', async t => {
  const addresses = ['--healthz-bind-address=192.0.2.1', '--metrics-bind-address=::1']
  const { config, stderr } = await effective(...addresses, '--healthz-port=80', '--metrics-port=81')
  t.match(config, { healthzBindAddress: '192.0.2.1:80', metricsBindAddress: '[::1]:81' })
  t.equal(stderr, '')
})

t.test('flags that do nothing are taken, and said to do nothing', async t => {
  const { stderr } = await effective('--boot-id-file=/a,/b', '--machine-id-file', '/c')
  t.strictSame(stderr.trimEnd().split('\n'), [
    'nodeplane: warning: --boot-id-file: has no effect',
    'nodeplane: warning: --machine-id-file: has no effect',
  ])
})

t.test('--init-only checks the configuration and applies kernel settings, here none', async t => {
  const none = ['max-per-core', 'tcp-timeout-established', 'tcp-timeout-close-wait']
  const args = none.map(name => `--conntrack-${name}=0`)
  t.match(await call('--init-only', ...args), { code: 0, stdout: '', stderr: '' })
  t.match(await call('--init-only', '--cluster-cidr=x'), { code: 2 })
})

t.test('--version tells the version', async t => {
  t.match(await call('--version'), { code: 0, stdout: /^nodeplane \d+\.\d+\.\d+\n$/ })
  t.strictSame(await call('--version=true'), await call('--version'))
  // Whatever else there is, as with kube-proxy.
  t.match(await call('--config=/nowhere', '--version'), { code: 0, stderr: '' })
  const raw = await call('--version=raw')
  t.match(raw, { code: 0, stderr: '' })
  t.match(raw.stdout, /^version\.Info\{Major:"1", Minor:"36", GitVersion:"v\d+\.\d+\.\d+", .*\}\n$/)
  t.match(raw.stdout, `NodeVersion:"${process.versions.node}", Platform:"linux/${process.arch}"`)
  const not = await call('--version=false', '--cluster-cidr=x')
  t.match(not, { code: 2, stdout: '' }, 'false goes on')
})

const refused: readonly { args: readonly string[]; says: RegExp }[] = [
  { args: ['operand'], says: /too many arguments/ },
  { args: ['--proxy-modus=x'], says: /unknown option '--proxy-modus=x'/ },
  { args: ['--proxy-mode=userspace'], says: /^nodeplane: --proxy-mode: .*nftables/ },
  { args: ['--masquerade-all=maybe'], says: /'maybe' is neither true nor false/ },
  { args: ['--oom-score-adj=many'], says: /'many' is not a number/ },
  { args: ['--feature-gates=Teapot=true'], says: /--feature-gates: no feature gate of kube-proxy/ },
  {
    args: ['--feature-gates=NFTablesProxyMode=false'],
    says: /--feature-gates: cannot be set to false: it is locked to true/,
  },
  { args: ['--vmodule=a'], says: /'a' is not PATTERN=LEVEL/ },
  { args: ['--hostname-override= '], says: /--hostname-override: must not be blank/ },
  { args: ['--config=/nowhere'], says: /^nodeplane: --config: cannot be read: ENOENT/ },
  {
    args: ['--manifests=/tmp', '--kubeconfig=/x'],
    says: /manifests: '.tmp' contradicts kubeconfig/,
  },
  { args: ['--manifests=/tmp', '--master=http://x'], says: /manifests: '.tmp' contradicts / },
  { args: ['--cleanup', '--cluster-cidr=x'], says: /--cluster-cidr: 'x' is not a CIDR/ },
  { args: ['--init-only', '--cluster-cidr=x'], says: /--cluster-cidr: 'x' is not a CIDR/ },
  { args: ['--cluster_modus=x'], says: /unknown option '--cluster_modus=x'/ },
  { args: ['--write-config-to=/nowhere/x'], says: /--write-config-to: cannot be written: ENOENT/ },
  { args: ['--kubeconfig=/nowhere'], says: /\/nowhere/ },
]
for (const { args, says } of refused) {
  t.test(`refused: ${args.join(' ')}`, async t => {
    const { code, stdout, stderr } = await call(...args)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, says)
  })
}

t.test('a wrong file: file, line, field', async t => {
  const { code, stderr } = await call('--config', `${directory}/wrong.yaml`)
  t.equal(code, 2)
  t.match(stderr, /wrong\.yaml:4:1: modes: unknown field/)
})
