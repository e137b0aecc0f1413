import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { lockFile } from '#linux/file-lock.ts'
import { systemClock } from '#runtime/clock.ts'
import { buildOr } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { CniAgent } from '../helper/cni-agent.ts'
import { REFERENCE_PLUGINS } from '../helper/cni-call.ts'
import { bridgeConfig, hostLocal } from '../helper/cni-network.ts'
import { answerOf, type ProgramAnswer, runPlugin, startPlugin } from '../helper/cni-program.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

/* The executables as they are shipped, with an agent that does their work and without. */

const built = await buildOr(join(t.testdir(), 'dist'))
const bin = join(built, 'cni')

type Call = {
  readonly verb: string
  readonly id?: string
  readonly netns?: string
  readonly config: object
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
}

const callOf = ({ verb, id = 'pod', netns = '', config, program, env }: Call) => ({
  program: program ?? join(bin, 'bridge'),
  config,
  env: cniEnv({
    CNI_COMMAND: verb,
    CNI_CONTAINERID: id,
    CNI_NETNS: netns,
    CNI_PATH: bin,
    ...env,
  }),
})
const call = (options: Call): Promise<ProgramAnswer> => runPlugin(callOf(options))

type Result = { readonly ips: { readonly address: string }[]; readonly dns?: object }
const resultOf = ({ stdout, exitCode }: ProgramAnswer): Result => {
  if (exitCode !== 0) throw new Error(stdout)
  return JSON.parse(stdout) as Result
}

const leases = (dataDir: string): readonly string[] =>
  readdirSync(join(dataDir, 'net')).filter(name => /^[0-9a-f]*[.:][0-9a-f.:]+$/.test(name))

const hostLinks = async (): Promise<readonly string[]> => {
  const { stdout } = await exec('ip', ['-j', 'link', 'show', 'type', 'veth'])
  return (JSON.parse(stdout) as { ifname?: string }[]).flatMap(({ ifname }) => ifname ?? [])
}

const calls = (command: string, plugin: string, result = 'ok') =>
  `nodeplane_cni_calls_total{command="${command}",plugin="${plugin}",result="${result}"}`

t.test('the agent does the call, IPAM in its own process, and knows the pod', async t => {
  const config = bridgeConfig(t.testdir({ net: {} }))
  await using agent = await CniAgent.start(built, t.testdirName)
  await using pod = await TestNamespace.create('pod')
  t.equal(await agent.ready(), 'ok\n')
  const env = { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web' }
  const added = await call({ verb: 'ADD', netns: pod.path, config, env })
  t.match(resultOf(added), { ips: [{ address: '10.22.0.2/24' }, { address: 'fd00:22::2/64' }] })
  t.match(await pod.ip('-br address show eth0'), /10\.22\.0\.2\/24/)
  const [file = ''] = readdirSync('/run/nodeplane/pods')
  const known = JSON.parse(readFileSync(join('/run/nodeplane/pods', file), 'utf8'))
  t.match(known, {
    pod: { namespace: 'shop', name: 'web' },
    addresses: ['10.22.0.2', 'fd00:22::2'],
    netns: pod.path,
  })
  t.ok((await hostLinks()).includes(known.hostInterface), 'with the end of its pair on the host')

  const prevResult = JSON.parse(added.stdout)
  t.match(await call({ verb: 'CHECK', netns: pod.path, config: { ...config, prevResult }, env }), {
    exitCode: 0,
    stdout: '',
  })
  t.match(await call({ verb: 'DEL', netns: pod.path, config, env }), { exitCode: 0, stdout: '' })
  t.strictSame(leases(String(t.testdirName)), [])
  t.strictSame(readdirSync('/run/nodeplane/pods'), [])
  for (const verb of ['ADD', 'CHECK', 'DEL']) t.equal(await agent.metric(calls(verb, 'bridge')), 1)
  t.equal(await agent.metric(calls('ADD', 'host-local')), 0, 'no process for IPAM')
})

t.test('20 pods at once, then a new agent, then 20 removed at once', async t => {
  const dataDir = t.testdir({ net: {} })
  const config = bridgeConfig(dataDir, { ipMasq: true })
  await using pods = new AsyncDisposableStack()
  const paths = await Promise.all(
    Array.from({ length: 20 }, async () => pods.use(await TestNamespace.create('pod')).path),
  )
  const all = (verb: string) =>
    Promise.all(paths.map((netns, n) => call({ verb, id: `pod-${n}`, netns, config })))
  const first = await CniAgent.start(built, dataDir)
  const addresses = (await all('ADD')).flatMap(answer => resultOf(answer).ips.map(ip => ip.address))
  t.equal(new Set(addresses).size, 40, 'each has addresses of its own')
  t.equal(await first.metric('nodeplane_cni_attachments'), 20)
  await first.kill('SIGKILL')

  await using second = await CniAgent.start(built, dataDir)
  t.equal(await second.metric('nodeplane_cni_attachments'), 20, 'the next agent knows them')
  for (const answer of await all('DEL')) t.match(answer, { exitCode: 0, stdout: '' })
  t.equal(await second.metric('nodeplane_cni_attachments'), 0)
  t.strictSame(leases(dataDir), [])
  t.strictSame(await hostLinks(), [])
  t.notMatch((await exec('nft', ['list', 'ruleset'])).stdout, /10\.22\.0\.[0-9]+ /)
})

t.test(
  'an agent killed in the middle: try again later, and DEL without it removes all',
  async t => {
    const dataDir = t.testdir({ net: {} })
    const config = bridgeConfig(dataDir)
    await using agent = await CniAgent.start(built, dataDir)
    await using pod = await TestNamespace.create('pod')
    const lock = await lockFile(join(dataDir, 'net/lock'), { timeoutMs: 1000, clock: systemClock })
    const adding = answerOf(startPlugin(callOf({ verb: 'ADD', netns: pod.path, config })))
    await eventually('the pair', async () => (await hostLinks()).length > 0)
    await agent.kill('SIGKILL')
    lock[Symbol.dispose]()
    const { stdout, exitCode } = await adding
    t.equal(exitCode, 1)
    t.match(JSON.parse(stdout), { code: 11, msg: /agent took the call and did not answer/ })
    t.match(await call({ verb: 'DEL', netns: pod.path, config }), { exitCode: 0, stdout: '' })
    t.strictSame(await hostLinks(), [])
    t.strictSame(leases(dataDir), [])
  },
)

t.test('an executable killed in the middle: the DEL that follows waits for its ADD', async t => {
  const dataDir = t.testdir({ net: {} })
  const config = bridgeConfig(dataDir)
  await using _agent = await CniAgent.start(built, dataDir)
  await using pod = await TestNamespace.create('pod')
  const lock = await lockFile(join(dataDir, 'net/lock'), { timeoutMs: 1000, clock: systemClock })
  const adding = startPlugin(callOf({ verb: 'ADD', netns: pod.path, config }))
  await eventually('the pair', async () => (await hostLinks()).length > 0)
  adding.kill('SIGKILL')
  await once(adding, 'close')
  const deleting = call({ verb: 'DEL', netns: pod.path, config })
  lock[Symbol.dispose]()
  t.match(await deleting, { exitCode: 0, stdout: '' })
  t.strictSame(await hostLinks(), [])
  t.strictSame(leases(dataDir), [])
})

t.test('an agent on another network is not asked', async t => {
  await using agent = await CniAgent.start(built, t.testdir())
  await using other = await TestNamespace.create('other')
  const { stdout } = await other.exec(join(bin, 'loopback'), [], {
    env: { ...process.env, CNI_COMMAND: 'VERSION' },
    input: '{}',
  })
  t.match(JSON.parse(stdout), { supportedVersions: Array })
  t.equal(await agent.metric(calls('VERSION', 'loopback')), 0)
  await call({ verb: 'VERSION', config: {}, program: join(bin, 'loopback') })
  t.equal(await agent.metric(calls('VERSION', 'loopback')), 1)
})

t.test('errors come through as they are; a huge configuration is refused', async t => {
  await using agent = await CniAgent.start(built, t.testdir())
  const wrong = await call({
    verb: 'STATUS',
    config: { cniVersion: '1.1.0', name: 'net', mtu: '1' },
  })
  t.match(JSON.parse(wrong.stdout), { cniVersion: '1.1.0', code: 6, msg: /^mtu must be/ })
  t.equal(wrong.exitCode, 1)
  const byHand = await runPlugin({ program: join(bin, 'bridge'), env: {}, config: '' })
  t.match(byHand, { exitCode: 0, stdout: '', stderr: /^CNI bridge plugin v/ })
  const padding = 'x'.repeat(3_000_000)
  const large = { cniVersion: '1.1.0', name: 'net', padding, ipam: {} }
  t.match(await call({ verb: 'STATUS', config: large }), { exitCode: 0, stdout: '' })
  const huge = await call({ verb: 'STATUS', config: { padding: 'x'.repeat(17 * 1024 * 1024) } })
  t.match(JSON.parse(huge.stdout), { code: 6, msg: /larger than 16 MiB/ })
  t.notMatch(agent.stderr, /"level":(50|60)/)
})

t.test('what answers nonsense, or nothing, has taken the call: try again later', async t => {
  const path = '/run/nodeplane/fake.sock'
  mkdirSync('/run/nodeplane', { recursive: true, mode: 0o700 })
  for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '', 'NPC1']) {
    const server = createServer(connection => {
      connection.once('data', () => connection.end(answer))
      // Who hears nonsense does not listen to its end.
      connection.on('error', () => {})
    })
    server.listen(path)
    await once(server, 'listening')
    const env = { NODEPLANE_CNI_SOCKET: path }
    const { stdout, exitCode } = await call({ verb: 'STATUS', config: {}, env })
    t.match(JSON.parse(stdout), { code: 11 })
    t.equal(exitCode, 1)
    server.close()
    await once(server, 'close')
  }
})

t.test('a socket that nobody serves, or none: the executable does the work alone', async t => {
  const dataDir = t.testdir({ net: {} })
  const agent = await CniAgent.start(built, dataDir)
  await agent.kill('SIGKILL')
  t.ok(existsSync('/run/nodeplane/cni.sock'), 'a killed agent leaves its socket')
  const config = { cniVersion: '1.0.0', name: 'net', ipam: hostLocal(dataDir) }
  const program = join(bin, 'host-local')
  t.equal(resultOf(await call({ verb: 'ADD', config, program, netns: '/x' })).ips.length, 2)
  const stopped = await CniAgent.start(built, dataDir)
  await stopped.kill('SIGTERM')
  t.notOk(existsSync('/run/nodeplane/cni.sock'), 'one that stops does not')
  t.match(await call({ verb: 'DEL', config, program }), { exitCode: 0 })
  t.strictSame(leases(dataDir), [])
})

t.test('the reference plugins in one chain with ours, both ways', async t => {
  const dataDir = t.testdir({ net: {}, bin: {} })
  await using agent = await CniAgent.start(built, dataDir)
  const config = bridgeConfig(dataDir)
  const ways = [
    { title: 'their bridge, our host-local', program: `${REFERENCE_PLUGINS}/bridge`, path: bin },
    {
      title: 'our bridge, their host-local',
      program: join(bin, 'bridge'),
      path: REFERENCE_PLUGINS,
    },
  ]
  for (const { title, program, path } of ways) {
    await using pod = await TestNamespace.create('pod')
    const env = { CNI_PATH: path, PATH: process.env['PATH'] ?? '' }
    const common = { netns: pod.path, config, program, env }
    t.equal(resultOf(await call({ verb: 'ADD', ...common })).ips.length, 2, title)
    t.match(await call({ verb: 'DEL', ...common }), { exitCode: 0, stdout: '' })
    t.strictSame(leases(dataDir), [])
    t.equal(await agent.metric('nodeplane_cni_attachments'), 0)
  }
  t.equal(await agent.metric(calls('ADD', 'host-local')), 1)
})

t.test('STATUS says why the agent is not ready', async t => {
  const folder = t.testdir({ net: {} })
  await using _agent = await CniAgent.start(built, folder, {
    proxy: {},
    cluster: { manifests: join(folder, 'nothing-there-yet') },
  })
  const config = { ...bridgeConfig(folder), cniVersion: '1.1.0' }
  const { stdout } = await call({ verb: 'STATUS', config })
  t.match(JSON.parse(stdout), { code: 50, msg: /^cluster: not listed yet: .*; proxy: not in/ })
})

t.test("a known pod's result has the DNS settings of its dnsPolicy", async t => {
  const pods = ['cluster: ClusterFirst', 'node: Default'].map(line => {
    const [name, dnsPolicy] = line.split(': ')
    const metadata = { name, namespace: 'shop' }
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { nodeName: 'node-a', dnsPolicy },
    })
  })
  const folder = t.testdir({ net: {}, manifests: {} })
  writeFileSync(join(folder, 'manifests/pods.yaml'), pods.join('\n---\n'))
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 192.0.2.53\nsearch corp.example\n')
  const podDNS = {
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    resolvConf: join(folder, 'resolv.conf'),
  }
  await using _agent = await CniAgent.start(built, folder, {
    cluster: { manifests: join(folder, 'manifests') },
    cni: { podDNS },
  })
  const own = { nameservers: ['203.0.113.9'] }
  const config = { ...bridgeConfig(folder), dns: own }
  const dnsOf = async (name: string) => {
    await using pod = await TestNamespace.create('pod')
    const env = { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}` }
    const { dns } = resultOf(await call({ verb: 'ADD', netns: pod.path, config, env }))
    await call({ verb: 'DEL', netns: pod.path, config, env })
    return dns
  }
  const search = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp.example']
  t.strictSame(
    await eventually('the pods', async () => {
      const dns = await dnsOf('cluster')
      return JSON.stringify(dns) === JSON.stringify(own) ? undefined : dns
    }),
    { nameservers: ['10.96.0.10'], search, options: ['ndots:5'] },
  )
  t.strictSame(await dnsOf('node'), { nameservers: ['192.0.2.53'], search: ['corp.example'] })
  t.strictSame(await dnsOf('unknown'), own)
})

t.test(
  'installed: the configuration waits for the agent, and the executables work where they are',
  async t => {
    const folder = t.testdir({ bin: {}, conf: {} })
    const [binDir, confDir] = [join(folder, 'bin'), join(folder, 'conf')]
    const nodeplane = (...words: readonly string[]) =>
      exec(join(built, 'nodeplane'), ['cni', ...words])
    const places = ['--bin-dir', binDir, '--conf-dir', confDir]
    const words = ['install', ...places, '--pod-cidr', '10.22.0.0/24', '--ready-timeout', '0']
    const refused = await nodeplane(...words).catch((error: unknown) => String(error))
    t.match(refused, /no configuration is written: the agent is not ready/)
    t.strictSame(readdirSync(confDir), ['.nodeplane-cni-installed'])

    await using agent = await CniAgent.start(built, folder)
    await nodeplane(...words)
    const list = JSON.parse(readFileSync(join(confDir, '10-nodeplane.conflist'), 'utf8'))
    const config = { ...list.plugins[0], name: list.name, cniVersion: list.cniVersion }
    await using pod = await TestNamespace.create('pod')
    const env = { CNI_PATH: binDir }
    const common = { netns: pod.path, config, env, program: join(binDir, 'bridge') }
    t.strictSame(resultOf(await call({ verb: 'ADD', ...common })).ips[0]?.address, '10.22.0.2/24')
    t.match(await call({ verb: 'DEL', ...common }), { exitCode: 0 })
    t.equal(
      await agent.metric(calls('ADD', 'host-local')),
      0,
      'ours are known where they are installed',
    )
    await nodeplane('uninstall', '--conf-dir', confDir)
    t.strictSame([...readdirSync(binDir), ...readdirSync(confDir)], [])
  },
)
