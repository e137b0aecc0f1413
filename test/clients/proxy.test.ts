import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Ipvs } from '#linux/ipvs.ts'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { FaultyPrograms } from '../helper/faulty-programs.ts'
import { Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
const [server, client] = net.pods as [(typeof net.pods)[0], (typeof net.pods)[0]]
await serve(server.namespace, 'web', [8080])

const slice = (family: string, address: string) => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-${family.toLowerCase()}
  namespace: shop
  labels: { kubernetes.io/service-name: web }
addressType: ${family}
ports: [{ port: 8080 }]
endpoints: [{ addresses: ["${address}"] }]
`
const OBJECTS = `
apiVersion: v1
kind: Node
metadata: { name: node-a }
status:
  addresses:
    - { type: InternalIP, address: ${net.nodeIp4} }
    - { type: InternalIP, address: "${net.nodeIp6}" }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: NodePort
  clusterIP: 10.96.0.20
  clusterIPs: [10.96.0.20, "fd00:96::20"]
  ipFamilies: [IPv4, IPv6]
  ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
---
apiVersion: v1
kind: Service
metadata: { name: balanced, namespace: shop }
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 32100
  clusterIP: 10.96.0.21
  clusterIPs: [10.96.0.21, "fd00:96::21"]
  ipFamilies: [IPv4, IPv6]
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: balanced-4
  namespace: shop
  labels: { kubernetes.io/service-name: balanced }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: ["${server.ip4}"], nodeName: node-a }]
---
${slice('IPv4', server.ip4)}---
${slice('IPv6', server.ip6)}`
const CONFIG = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: node-a
clusterCIDR: 10.244.0.0/16,fd00:244::/32
bindAddressHardFail: true
`
const directory = t.testdir({ manifests: { 'all.yaml': OBJECTS }, 'kp.yaml': CONFIG })
const CONFIG_FILE = `${directory}/kp.yaml`
const MANIFESTS = `${directory}/manifests`

function start(...args: readonly string[]): { child: ChildProcess; stderr: Promise<string> } {
  return startWith(process.env, ...args)
}

function startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]) {
  const child = net.node.spawn(process.execPath, [MAIN, 'proxy', ...args], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env,
  })
  return { child, stderr: text(child.stderr as NonNullable<ChildProcess['stderr']>) }
}
const startWithManifests = () => start('--config', CONFIG_FILE, '--manifests', MANIFESTS)

/** Runs a command that prints and ends. */
async function inspect(...args: readonly string[]) {
  const child = net.node.spawn(process.execPath, [MAIN, 'proxy', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = exitCode({ child })
  const stdout = await text(child.stdout as NonNullable<ChildProcess['stdout']>)
  return { code: await ended, stdout }
}

/** The scripts for iptables-restore that a description has, by program. */
const scriptsOf = (text: string): ReadonlyMap<string, string> => {
  const [, first = '', second = ''] = /^([^]*?)(# ip6tables[^]*)$/.exec(text) ?? []
  return new Map([
    ['iptables', first],
    ['ip6tables', second],
  ])
}

const exitCode = async ({ child }: { child: ChildProcess }): Promise<number | null> => {
  if (child.exitCode !== null) return child.exitCode
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}
const stop = (proxy: { child: ChildProcess }): Promise<number | null> => {
  const code = exitCode(proxy)
  proxy.child.kill('SIGTERM')
  return code
}

const answers = async (host: string, port = 80) =>
  (await ask(client.namespace, { protocol: 'tcp', host, port }))[0]
const isServed = async () => (await answers('10.96.0.20')) === `web ${client.ip4}`
/** What a GET from the node itself gives. */
const get = async (url: string) =>
  (await net.node.exec('curl', ['-sS', '-g', '-m', '5', url])).stdout
/** Status and content type of a GET from the node itself. */
const head = async (url: string) => {
  const words = ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{content_type}', url]
  return (await net.node.exec('curl', words)).stdout
}
const tables = async () => (await net.node.exec('nft', ['list', 'tables'])).stdout
const rules = async () => (await net.node.exec('nft', ['-s', 'list', 'ruleset'])).stdout

t.test('Services of a directory become rules; health and metrics answer', async t => {
  const proxy = startWithManifests()
  await eventually('the Service to answer', isServed)
  t.equal(await answers('fd00:96::20'), `web ${client.ip6}`)
  t.match(await answers(net.nodeIp4, 30080), /^web /)
  t.equal(await get('http://127.0.0.1:10249/proxyMode'), 'nftables')
  t.match(
    await get('http://127.0.0.1:10249/metrics'),
    /kubeproxy_sync_proxy_rules_duration_seconds/,
  )
  t.match(JSON.parse(await get('http://127.0.0.1:10249/configz')), {
    'kubeproxy.config.k8s.io': { clusterCIDR: '10.244.0.0/16,fd00:244::/32' },
  })
  t.match(JSON.parse(await get('http://127.0.0.1:10256/healthz')), {
    nodeEligible: true,
    healthy: true,
    status: { IPv4: { healthy: true }, IPv6: { healthy: true } },
  })
  for (const path of ['healthz', 'livez']) {
    t.equal(await head(`http://127.0.0.1:10256/${path}`), '200 application/json', path)
  }
  t.match(JSON.parse(await get(`http://${net.nodeIp4}:32100/healthz`)), {
    service: { namespace: 'shop', name: 'balanced' },
    localEndpoints: 1,
    serviceProxyHealthy: true,
  })
  // Each family counts its own endpoints, and none of this Service are IPv6.
  t.match(JSON.parse(await get(`http://[${net.nodeIp6}]:32100/`)), { localEndpoints: 0 })
  t.equal(await stop(proxy), 0)
  await t.rejects(get(`http://${net.nodeIp4}:32100/`))
})

t.test('without a health server the ports for health checks answer all the same', async t => {
  const flags = ['--healthz-port=0', '--proxy-mode=nftables', '--hostname-override=node-a']
  const detector = '--cluster-cidr=10.244.0.0/16,fd00:244::/32'
  const proxy = start(...flags, detector, '--manifests', `${directory}/manifests`)
  const check = () => get(`http://${net.nodeIp4}:32100/`)
  const answer = await eventually('the health check', check)
  t.match(JSON.parse(answer), { localEndpoints: 1, serviceProxyHealthy: true })
  await eventually('the metrics server', () => get('http://127.0.0.1:10249/healthz'))
  await t.rejects(get('http://127.0.0.1:10256/livez'))
  t.equal(await stop(proxy), 0)
})

t.test('what is logged is changed while it runs, where profiles are enabled', async t => {
  const file = `${directory}/manifests/more.yaml`
  const config = `${directory}/profiling.yaml`
  await writeFile(config, `${CONFIG}enableProfiling: true\n`)
  const proxy = start('--config', config, '--manifests', `${directory}/manifests`)
  const put = ['-sS', '-X', 'PUT', '-d', '4', 'http://127.0.0.1:10249/debug/flags/v']
  const { stdout } = await eventually('the server', () => net.node.exec('curl', put))
  t.equal(stdout, 'successfully set klog.logging.verbosity to 4')
  const hasMore = async () => (await rules()).includes('10.96.0.22')
  const spec = '{ clusterIP: 10.96.0.22, ports: [{ port: 80 }] }'
  await writeFile(file, `apiVersion: v1\nkind: Service\nmetadata: { name: more }\nspec: ${spec}\n`)
  await eventually('one more Service', hasMore)
  await rm(file)
  await eventually('it to be gone', async () => !(await hasMore()))
  t.equal(await stop(proxy), 0)
  t.match(await proxy.stderr, /"level":20,.*"component":"proxy"/)
})

t.test(
  'diff: nothing after a run, then what somebody changed, and it changes nothing itself',
  async t => {
    const objects = ['--config', CONFIG_FILE, '--manifests', MANIFESTS]
    t.strictSame(await inspect('diff', ...objects), {
      code: 0,
      stdout: 'no difference (nftables, IPv4 and IPv6)\n',
    })
    const vip = '10.96.0.20 . tcp . 80'
    const before = await rules()
    const [, id = ''] =
      new RegExp(`${vip.replaceAll('.', '\\.')} [^:]*: (\\S+?)[,\\s]`).exec(before) ?? []
    await net.node.exec('nft', [`delete element ip nodeplane vips { ${vip} }`])
    await net.node.exec('nft', ['add element ip nodeplane cluster-ips { 192.0.2.99 }'])
    const changed = await rules()
    t.match(await inspect('diff', ...objects), {
      code: 1,
      stdout:
        /^\+ ip nodeplane vips: 10\.96\.0\.20 \. tcp \. 80 : \S+\n- ip nodeplane cluster-ips: 192\.0\.2\.99\n$/,
    })
    t.equal(await rules(), changed)
    await net.node.exec('nft', [`add element ip nodeplane vips { ${vip} : ${id} }`])
    await net.node.exec('nft', ['delete element ip nodeplane cluster-ips { 192.0.2.99 }'])
  },
)

t.test(
  '--dry-run is a script that makes the same rules, with the reason for each element',
  async t => {
    const objects = ['--config', CONFIG_FILE, '--manifests', MANIFESTS]
    const { code, stdout } = await inspect('--dry-run', ...objects)
    t.equal(code, 0)
    t.match(
      stdout,
      /^# shop\/web\/TCP at 10\.96\.0\.20: 1 endpoints, 1 usable under policy Cluster/m,
    )
    t.match(
      stdout,
      /^add element ip nodeplane vips { 10\.96\.0\.20 \. tcp \. 80 : \S+ } # an address/m,
    )
    await writeFile(`${directory}/script.nft`, stdout)
    await net.node.exec('nft', ['delete table ip nodeplane; delete table ip6 nodeplane'])
    t.match(await inspect('diff', ...objects), { code: 1 })
    await net.node.exec('nft', ['-f', `${directory}/script.nft`])
    t.match(await inspect('diff', ...objects), { code: 0 })
    t.ok(await isServed())
  },
)

t.test('after SIGTERM the rules stay, and the next start adopts them', async t => {
  t.ok(await isServed())
  const before = await rules()
  const proxy = startWithManifests()
  await eventually('the health server', () => get('http://127.0.0.1:10256/livez'))
  await eventually('the first sync', async () =>
    /duration_seconds_count{ip_family="IPv6"} [1-9]/.test(
      await get('http://127.0.0.1:10249/metrics'),
    ),
  )
  t.ok(await isServed())
  t.equal(await rules(), before)
  t.equal(await stop(proxy), 0)
})

t.test('mode iptables: --dry-run makes rules that diff finds right, then what is lost', async t => {
  const objects = ['--proxy-mode=iptables', '--hostname-override=node-a']
  const given = [...objects, '--manifests', MANIFESTS]
  const { code, stdout } = await inspect('--dry-run', ...given)
  t.equal(code, 0)
  t.match(stdout, /^# KUBE-SVC-\S+: shop\/web\/TCP: one of the endpoints of policy Cluster$/m)
  // As the proxy does, and the script says.
  t.match(stdout, /^# with net\.ipv4\.conf\.all\.route_localnet=1, /)
  await net.node.exec('sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1'])
  for (const [program, script] of scriptsOf(stdout)) {
    await net.node.exec(`${program}-restore`, ['--noflush'], { input: script })
  }
  const right = 'no difference (iptables, IPv4 and IPv6)\n'
  t.strictSame(await inspect('diff', ...given), { code: 0, stdout: right })
  await net.node.exec('ip6tables', ['-t', 'nat', '-F', 'KUBE-MARK-MASQ'])
  await net.node.exec('iptables', ['-t', 'nat', '-A', 'KUBE-NODEPORTS', '-j', 'RETURN'])
  t.strictSame(await inspect('diff', ...given), {
    code: 1,
    stdout:
      '- iptables nat KUBE-NODEPORTS: -j RETURN\n' +
      '+ ip6tables nat KUBE-MARK-MASQ: -j MARK --set-xmark 0x4000/0x4000\n',
  })
  t.match(await inspect('--cleanup'), { code: 0 })
  for (const save of ['iptables-save', 'ip6tables-save']) {
    t.notMatch((await net.node.exec(save, [])).stdout, 'KUBE-')
  }
  // The tables of iptables itself, which stay empty.
  await net.node.exec('nft', ['flush', 'ruleset'])
})

/** Starts it in a mode where these are the only programs. */
async function startWithPrograms(mode: 'iptables' | 'ipvs', programs: readonly string[]) {
  const folder = await mkdtemp(`${tmpdir()}/programs-`)
  t.teardown(() => rm(folder, { recursive: true }))
  for (const name of programs) await symlink(`/usr/sbin/${name}`, `${folder}/${name}`)
  const args = [`--proxy-mode=${mode}`, '--hostname-override=node-a']
  const child = net.node.spawn(
    'env',
    [`PATH=${folder}`, process.execPath, MAIN, 'proxy', ...args, '--manifests', MANIFESTS],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  return { child, stderr: text(child.stderr as NonNullable<ChildProcess['stderr']>) }
}
const ofIPv4 = ['iptables', 'iptables-save', 'iptables-restore']

t.test('mode iptables without ip6tables serves IPv4, and says what it lacks', async t => {
  const proxy = await startWithPrograms('iptables', ofIPv4)
  await eventually('the Service to answer', isServed)
  t.notMatch(await answers('fd00:96::20'), /^web/)
  t.equal(await stop(proxy), 0)
  t.match(await proxy.stderr, /"level":40.*"reason":"ip6tables: not found: is iptables installed\?/)
  t.match(await inspect('--cleanup'), { code: 0 })
  await net.node.exec('nft', ['flush ruleset'])
})

t.test('modes that need the iptables of the primary family end without it', async t => {
  for (const mode of ['iptables', 'ipvs'] as const) {
    const proxy = await startWithPrograms(mode, ['ip6tables', 'ip6tables-save'])
    t.equal(await exitCode(proxy), 1)
    t.match(
      await proxy.stderr,
      `the node's primary address ${net.nodeIp4} is IPv4, which cannot be served: iptables: not found`,
    )
  }
})

const hasIpvs = await Ipvs.open().then(
  ipvs => {
    ipvs[Symbol.dispose]()
    return true
  },
  () => false,
)
t.test(
  'mode ipvs on a kernel without IPVS ends, and no other mode takes its place',
  { skip: hasIpvs && 'the kernel has IPVS' },
  async t => {
    const before = await rules()
    const objects = ['--hostname-override=node-a', '--manifests', MANIFESTS]
    const proxy = start('--proxy-mode=ipvs', ...objects)
    t.equal(await exitCode(proxy), 1)
    const stderr = await proxy.stderr
    t.match(stderr, /"level":50.*the ipvs proxier is deprecated; use nftables/)
    t.match(stderr, /^nodeplane: find netlink family IPVS: ENOENT/m)
    t.equal(await rules(), before)
  },
)

t.test('an address in use ends it with bindAddressHardFail', async t => {
  const first = startWithManifests()
  await eventually('the health server', () => get('http://127.0.0.1:10256/livez'))
  const second = startWithManifests()
  t.equal(await exitCode(second), 1)
  t.match(await second.stderr, /^nodeplane: .*EADDRINUSE/m)
  t.equal(await stop(first), 0)
})

t.test('a changed configuration file ends it, for its supervisor to start it again', async t => {
  const proxy = startWithManifests()
  await eventually('the health server', () => get('http://127.0.0.1:10256/livez'))
  await writeFile(CONFIG_FILE, `${CONFIG}oomScoreAdj: -1\n`)
  t.equal(await exitCode(proxy), 1)
  t.match(await proxy.stderr, /^nodeplane: kp\.yaml: content was updated/m)
})

t.test('a change that does not get into the kernel makes it unhealthy, until it does', async t => {
  await using faulty = await FaultyPrograms.create({ nft: '/usr/sbin/nft' })
  const folder = `${directory}/changing`
  await mkdir(folder)
  await writeFile(`${folder}/all.yaml`, OBJECTS)
  // A change that waits for twice that long is too old.
  const periods = 'nftables: { syncPeriod: 100ms, minSyncPeriod: 1ms }\n'
  await writeFile(`${directory}/quick.yaml`, CONFIG + periods)
  const files = ['--config', `${directory}/quick.yaml`, '--manifests', folder]
  const proxy = startWith(faulty.env, ...files)
  const statusOf = async (path: string) => {
    const args = ['-sS', '-o', '/dev/null', '-w', '%{http_code}', `http://127.0.0.1:10256${path}`]
    return (await net.node.exec('curl', args)).stdout
  }
  await eventually('health', async () => (await statusOf('/livez')) === '200')
  await eventually('the Service', isServed)
  await faulty.break('nft', 'fail')
  await writeFile(
    `${folder}/all.yaml`,
    OBJECTS.replace('port: 80, targetPort', 'port: 81, targetPort'),
  )
  await eventually('illness', async () => (await statusOf('/livez')) === '503')
  t.equal(await statusOf('/healthz'), '503')
  t.match(JSON.parse(await get('http://127.0.0.1:10256/livez')), { healthy: false })
  t.ok(await isServed(), 'the last rules serve')
  await faulty.heal()
  await eventually('health again', async () => (await statusOf('/livez')) === '200')
  t.equal(await answers('10.96.0.20', 81), `web ${client.ip4}`)
  t.equal(await stop(proxy), 0)
})

t.test('--cleanup leaves nothing, twice', async t => {
  t.match(await tables(), /nodeplane/)
  t.equal(await exitCode(start('--cleanup')), 0)
  t.equal(await tables(), '')
  t.equal(await exitCode(start('--cleanup')), 0)
})
