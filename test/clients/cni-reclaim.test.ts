import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { main } from '../../src/main.ts'
import { buildOr } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { CniAgent } from '../helper/cni-agent.ts'
import { bridgeConfig, leasesIn } from '../helper/cni-network.ts'
import { runPlugin, startPlugin } from '../helper/cni-program.ts'
import { recordIo } from '../helper/command-io.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

/* Attachments that nobody ends: the agent as it is shipped finds them when it starts. */

const dist = await buildOr(join(t.testdir(), 'dist'))
const bin = join(dist, 'cni')

const env = (verb: string, id: string, netns: string) =>
  cniEnv({ CNI_COMMAND: verb, CNI_CONTAINERID: id, CNI_NETNS: netns, CNI_PATH: bin })

/** A chain of bridge and portmap, as a runtime adds it. */
async function addChain(config: Record<string, unknown>, id: string, netns: string) {
  const added = await runPlugin({
    program: join(bin, 'bridge'),
    env: env('ADD', id, netns),
    config,
  })
  if (added.exitCode !== 0) throw new Error(added.stdout)
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const prevResult = JSON.parse(added.stdout) as object
  const portmap = { ...config, type: 'portmap', runtimeConfig: { portMappings }, prevResult }
  const program = join(bin, 'portmap')
  const mapped = await runPlugin({ program, env: env('ADD', id, netns), config: portmap })
  if (mapped.exitCode !== 0) throw new Error(mapped.stdout)
}

/** nft does not print the comments of iptables. */
const saved = async () => (await exec('iptables-save', ['-t', 'nat'])).stdout
const ruleset = async () => (await exec('nft', ['list', 'ruleset'])).stdout

/** The leases have gone, and rules and links with them. */
async function nothingLeft(dataDir: string, id: string): Promise<void> {
  await eventually(`nothing of ${id}`, async () => leasesIn(dataDir).length === 0)
  await eventually(`no rules of ${id}`, async () => !(await ruleset()).includes(id))
  await eventually('no links', async () => {
    return (await exec('ip', ['link', 'show', 'type', 'veth'])).stdout === ''
  })
}

t.test('containers that vanished while no agent ran are removed when one starts', async t => {
  const dataDir = t.testdir({ net: {} })
  const config = bridgeConfig(dataDir, { ipMasq: true })
  const path = await (async () => {
    await using agent = await CniAgent.start(dist, t.testdirName)
    await using pod = await TestNamespace.create('pod')
    await addChain(config, 'vanished', pod.path)
    await agent.kill('SIGKILL')
    return pod.path
  })()
  t.match(await ruleset(), 'vanished')
  t.equal(leasesIn(dataDir).length, 2)
  await using agent = await CniAgent.start(dist, t.testdirName)
  await nothingLeft(dataDir, 'vanished')
  t.equal(await agent.metric('nodeplane_cni_reclaimed_total'), 1)
  const late = { program: join(bin, 'bridge'), env: env('DEL', 'vanished', path), config }
  t.equal((await runPlugin(late)).exitCode, 0, 'the DEL that comes late')
})

t.test('after a reboot nothing is left of the containers before it', async t => {
  const dataDir = t.testdir({ net: {} })
  const config = bridgeConfig(dataDir, { ipMasq: true })
  await using pod = await TestNamespace.create('pod')
  {
    await using agent = await CniAgent.start(dist, t.testdirName)
    await addChain(config, 'rebooted', pod.path)
    await agent.kill('SIGKILL')
  }
  // What a reboot is: links and rules are gone, the disk is as it was, and the boot has another id.
  const journal = join(t.testdirName, 'journal')
  const [file = ''] = readdirSync(journal)
  const entry = JSON.parse(readFileSync(join(journal, file), 'utf8')) as object
  writeFileSync(join(journal, file), JSON.stringify({ ...entry, bootId: 'before' }))
  await exec('nft', ['flush', 'ruleset'])
  await using _agent = await CniAgent.start(dist, t.testdirName)
  await nothingLeft(dataDir, 'rebooted')
  t.strictSame(readdirSync(journal), [])
})

t.test(
  'an agent killed during ADDs: what is left is a live pod, or goes with its container',
  async t => {
    const dataDir = t.testdir({ net: {} })
    const config = bridgeConfig(dataDir, { ipMasq: true })
    const ids = Array.from({ length: 8 }, (_, n) => `killed${n}`)
    {
      await using stack = new AsyncDisposableStack()
      const agent = stack.use(await CniAgent.start(dist, t.testdirName))
      const pods = await Promise.all(
        ids.map(async () => stack.use(await TestNamespace.create('pod'))),
      )
      const started = pods.map(({ path }, n) =>
        startPlugin({
          program: join(bin, 'bridge'),
          env: env('ADD', ids[n] as string, path),
          config,
        }),
      )
      const ends = started.map(child => new Promise(resolve => child.once('close', resolve)))
      await eventually('the first pod', () => leasesIn(dataDir).length > 0)
      await agent.kill('SIGKILL')
      await Promise.all(ends)
    }
    await using _agent = await CniAgent.start(dist, t.testdirName)
    await nothingLeft(dataDir, 'killed')
  },
)

t.test('cni leases tells who has gone, and cni gc ends what is proven to be', async t => {
  const dataDir = t.testdir({ net: {} })
  const confDir = t.testdirName
  const config = bridgeConfig(dataDir, { ipMasq: true })
  await using _agent = await CniAgent.start(dist, t.testdirName)
  await using live = await TestNamespace.create('live')
  await addChain(config, 'living', live.path)
  {
    await using gone = await TestNamespace.create('gone')
    await addChain(config, 'ended', gone.path)
  }
  const { name, ...plugin } = config
  writeFileSync(join(confDir, 'a.conflist'), JSON.stringify({ name, plugins: [plugin] }))
  const ask = async (words: string) => {
    const io = recordIo()
    const exitCode = await main(['cni', ...words.split(' ')], io)
    return { exitCode, ...io.written }
  }
  const states = async () => {
    const { stdout } = await ask(`leases --cni-conf-dir ${confDir} -o json`)
    const { leases } = JSON.parse(stdout) as { leases: { containerId: string; state: string }[] }
    return Object.fromEntries(leases.map(each => [each.containerId, each.state]))
  }
  t.strictSame(await states(), { living: 'live', ended: 'gone' })
  t.match(await ask('gc --dry-run'), {
    exitCode: 0,
    stdout: /^would remove eth0 of container ended in network \S+\n$/,
  })
  t.match(await ask('gc --network another'), { exitCode: 0, stdout: /nothing is left/ })
  t.strictSame(await states(), { living: 'live', ended: 'gone' }, 'nothing was removed yet')
  t.match(await ask('gc'), { exitCode: 0, stdout: /^removed eth0 of container ended in/ })
  t.strictSame(await states(), { living: 'live' })
  t.notMatch(await ruleset(), 'ended')
  const alone = await ask('gc --socket /run/nobody.sock')
  t.match(alone, { exitCode: 1, stderr: /nothing was removed/ })
  for (const type of ['portmap', 'bridge']) {
    const call = { program: join(bin, type), env: env('DEL', 'living', live.path), config }
    t.equal((await runPlugin(call)).exitCode, 0)
  }
})

t.test('rules of live pods that somebody flushes are back within moments', async t => {
  const dataDir = t.testdir({ net: {}, other: {} })
  await using agent = await CniAgent.start(dist, t.testdirName)
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const config = bridgeConfig(dataDir, { ipMasq: true, macspoofchk: true })
  await addChain(config, 'first', a.path)
  const byIptables = {
    ...bridgeConfig(dataDir, { ipMasq: true, ipMasqBackend: 'iptables', bridge: 'cni1' }),
    name: 'other',
    ipam: { type: 'host-local', dataDir, subnet: '10.33.0.0/24' },
  }
  const program = join(bin, 'bridge')
  const added = await runPlugin({ program, env: env('ADD', 'second', b.path), config: byIptables })
  t.equal(added.exitCode, 0, added.stdout)
  const listed = async () => {
    const lines = `${await ruleset()}${await saved()}`.split('\n').map(line => line.trim())
    // Handles of sets and counters differ; what is said does not.
    return lines
      .filter(line => /first|second|dnat|masquerade|drop|return|goto/i.test(line))
      .toSorted()
  }
  const before = await listed()
  t.ok(before.length > 15, before.join('\n'))
  const flushes: readonly (readonly string[])[] = [
    ['nft', 'flush', 'ruleset'],
    ['nft', 'flush', 'table', 'inet', 'nodeplane_cni'],
    ['nft', 'flush', 'table', 'bridge', 'nodeplane_cni'],
    ['nft', 'delete', 'table', 'ip', 'nodeplane_hostport'],
    ['nft', 'flush', 'chain', 'ip', 'nodeplane_hostport', 'mappings'],
    ['iptables', '-t', 'nat', '-F'],
  ]
  for (const [flush = '', ...words] of flushes) {
    await exec(flush, words)
    await eventually(`the rules after ${flush} ${words.join(' ')}`, async () => {
      return (await listed()).join('\n') === before.join('\n')
    })
  }
  t.match(agent.stderr, /lost rules restored/)
  for (const plugin of ['portmap', 'bridge']) {
    const call = { program: join(bin, plugin), env: env('DEL', 'first', a.path), config }
    t.equal((await runPlugin(call)).exitCode, 0)
  }
  await exec('nft', ['flush', 'ruleset'])
  await eventually('the rules of the other', async () => (await saved()).includes('second'))
  t.notMatch(await ruleset(), 'first', 'what was deleted stays deleted')
})

t.test("the firewall plugin's rules come back too", async t => {
  const dataDir = t.testdir({ net: {} })
  await using _agent = await CniAgent.start(dist, t.testdirName)
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(dataDir)
  const program = join(bin, 'bridge')
  const added = await runPlugin({ program, env: env('ADD', 'walled', pod.path), config })
  t.equal(added.exitCode, 0, added.stdout)
  const chained = { ...config, type: 'firewall', prevResult: JSON.parse(added.stdout) as object }
  const firewall = (verb: string) =>
    runPlugin({
      program: join(bin, 'firewall'),
      env: env(verb, 'walled', pod.path),
      config: { ...chained, backend: 'iptables', ingressPolicy: 'same-bridge' },
    })
  t.equal((await firewall('ADD')).exitCode, 0)
  for (const chain of ['CNI-FORWARD', 'FORWARD']) {
    await exec('iptables', ['-F', chain])
    t.not((await firewall('CHECK')).exitCode, 0, `after a flush of ${chain}`)
    await eventually('the rules', async () => (await firewall('CHECK')).exitCode === 0)
  }
  t.equal((await firewall('DEL')).exitCode, 0)
  const del = await runPlugin({ program, env: env('DEL', 'walled', pod.path), config })
  t.equal(del.exitCode, 0)
})

t.test('links and addresses that somebody takes away are back, as they were', async t => {
  const dataDir = t.testdir({ net: {} })
  await using agent = await CniAgent.start(dist, t.testdirName)
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const config = bridgeConfig(dataDir, { ipMasq: true, hairpinMode: true })
  const program = join(bin, 'bridge')
  const hostLinks: string[] = []
  for (const [id, pod] of [
    ['first', a],
    ['second', b],
  ] as const) {
    const added = await runPlugin({ program, env: env('ADD', id, pod.path), config })
    t.equal(added.exitCode, 0, added.stdout)
    const { interfaces } = JSON.parse(added.stdout) as { interfaces: { name: string }[] }
    hostLinks.push(interfaces[1]?.name ?? '')
  }
  const bridge = config['bridge'] as string
  const [veth = ''] = hostLinks
  /** Links, with MACs, masters and flags of ports, and addresses; of the host and of the first pod. */
  const state = async () => {
    const words = ['-d', '-o', 'link', 'show']
    const host = await Promise.all([
      exec('ip', words),
      exec('ip', ['-o', 'address', 'show', bridge, 'scope', 'global']),
    ])
    const pod = await Promise.all([
      a.exec('ip', ['-o', 'link', 'show', 'eth0']),
      a.exec('ip', ['-o', 'address', 'show', 'eth0', 'scope', 'global']),
      a.exec('ip', ['route', 'show']),
      a.exec('ip', ['-6', 'route', 'show', 'default']),
    ])
    const lines = [...host, ...pod].flatMap(({ stdout }) => stdout.split('\n'))
    return lines
      .filter(line => line.includes(bridge) || /eth0|default/.test(line))
      .map(line => {
        const mac = /link\/ether (\S+)/.exec(line)?.[1] ?? ''
        // The near end of a new pair has a MAC of its own; nobody knows it.
        const kept = line.includes(`${veth}@`) ? '' : mac
        const flags = /hairpin (on|off)/.exec(line)?.[0] ?? ''
        const name = /^\d+: ([^@: ]+)/.exec(line)?.[1] ?? line
        const address = / inet6? \S+/.exec(line)?.[0] ?? ''
        return [name, address, kept, / master \S+/.exec(line)?.[0] ?? '', flags].join('|')
      })
      .toSorted()
  }
  const before = await state()
  t.match(before.join('\n'), new RegExp(`^${veth}\\|.* master ${bridge}\\|hairpin on$`, 'm'))
  const takings: readonly string[] = [
    `link delete ${bridge}`,
    `link set ${bridge} down`,
    `link set ${veth} nomaster`,
    `link set ${veth} down`,
    `link delete ${veth}`,
    `address flush dev ${bridge}`,
  ]
  for (const taking of takings) {
    await exec('ip', taking.split(' '))
    await eventually(`all to be back after ip ${taking}`, async () => {
      return (await state().catch(() => [])).join('\n') === before.join('\n')
    })
    for (const gateway of ['10.22.0.1', 'fd00:22::1']) {
      await eventually(`packets to pass to ${gateway} after ip ${taking}`, () =>
        a.exec('ping', ['-c1', '-W1', gateway]).then(
          () => true,
          () => false,
        ),
      )
    }
  }
  t.match(agent.stderr, /lost rules restored/)
  for (const id of ['first', 'second']) {
    const del = await runPlugin({
      program,
      env: env('DEL', id, id === 'first' ? a.path : b.path),
      config,
    })
    t.equal(del.exitCode, 0)
  }
  await exec('ip', ['link', 'delete', bridge])
  t.equal(
    (await exec('ip', ['-o', 'link', 'show', 'type', 'veth'])).stdout,
    '',
    'deleted stays deleted',
  )
})

t.test('a pair of ptp and its routes are back too', async t => {
  const dataDir = t.testdir({ net: {} })
  await using agent = await CniAgent.start(dist, t.testdirName)
  await using pod = await TestNamespace.create('pod')
  const config = {
    cniVersion: '1.0.0',
    name: 'net',
    type: 'ptp',
    ipMasq: true,
    ipam: {
      type: 'host-local',
      dataDir,
      routes: [{ dst: '0.0.0.0/0' }],
      ranges: [[{ subnet: '10.44.0.0/24' }], [{ subnet: 'fd00:44::/64' }]],
    },
  }
  const program = join(bin, 'ptp')
  const call = (verb: string, prevResult?: object) =>
    runPlugin({ program, env: env(verb, 'pointed', pod.path), config: { ...config, prevResult } })
  const added = await call('ADD')
  t.equal(added.exitCode, 0, added.stdout)
  const result = JSON.parse(added.stdout) as { interfaces: { name: string }[] }
  const veth = result.interfaces[0]?.name ?? ''
  const address = { dst: '10.44.0.2', dst6: 'fd00:44::2' }
  const takings: readonly string[] = [
    `link delete ${veth}`,
    `link set ${veth} down`,
    `route delete ${address.dst}`,
    `-6 route delete ${address.dst6}`,
    `address delete 10.44.0.1/32 dev ${veth}`,
  ]
  for (const taking of takings) {
    await exec('ip', taking.split(' '))
    const isRight = async () => (await call('CHECK', result)).exitCode === 0
    await eventually(`all to be back after ip ${taking}`, isRight)
    for (const to of Object.values(address)) {
      t.match((await exec('ping', ['-c1', '-W2', to])).stdout, /1 received/, taking)
    }
  }
  await exec('nft', ['flush', 'ruleset'])
  await eventually('the masquerading', async () => (await ruleset()).includes('pointed'))
  t.match(agent.stderr, /lost rules restored/)
  t.equal((await call('DEL', result)).exitCode, 0)
})

t.test('what somebody flushes from the legacy iptables is made again at once', async t => {
  const dataDir = t.testdir({ net: {} })
  const programs = join(t.testdirName, 'programs')
  mkdirSync(programs)
  for (const name of [
    'iptables',
    'iptables-save',
    'iptables-restore',
    'ip6tables',
    'ip6tables-save',
    'ip6tables-restore',
  ])
    symlinkSync('/usr/sbin/xtables-legacy-multi', join(programs, name))
  const path = process.env['PATH']
  process.env['PATH'] = `${programs}:${path}`
  t.teardown(() => {
    process.env['PATH'] = path
  })
  await using _agent = await CniAgent.start(dist, t.testdirName)
  await using pod = await TestNamespace.create('pod')
  await addChain({ ...bridgeConfig(dataDir), backend: 'iptables' }, 'legacy', pod.path)
  const rules = async () => (await exec('iptables-legacy-save', ['-t', 'nat'])).stdout
  t.match(await rules(), /--dport 8080 /)
  await exec('iptables-legacy', ['-t', 'nat', '-F'])
  t.notMatch(await rules(), /--dport 8080 /)
  // Without being told it would look after 30 s.
  await eventually('the rules', async () => / --dport 8080 /.test(await rules()), 15_000)
})
