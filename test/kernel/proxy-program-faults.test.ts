// Programs that fail, hang or are missing: the last rules keep serving, and it is tried again until it works.
import t from 'tap'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { eventually } from '../helper/eventually.ts'
import { type Fault, FaultyPrograms } from '../helper/faulty-programs.ts'
import { numbered, outcomesOn, settings, slices } from '../helper/numbered-services.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])
const outcomes = outcomesOn(net)
const answer = () =>
  outcomes(client.namespace, 'clusterIP', { number: 1, family: 4, protocol: 'tcp' }, 1)
const [fromA, fromB] = [[`a ${client.ip4}`], [`b ${client.ip4}`]]

const LIMIT_MS = 400
const modes: readonly {
  readonly title: string
  readonly settings: Partial<ProxySettings>
  readonly programs: Readonly<Record<string, string>>
  readonly writes: string
  /** The first program that a start needs. */
  readonly starts: string
}[] = [
  {
    title: 'nftables',
    settings: { mode: 'nftables' },
    programs: { nft: '/usr/sbin/nft' },
    writes: 'nft',
    // What is there is read by netlink, so it is the change that needs a program.
    starts: 'nft',
  },
  ...(['nft', 'legacy'] as const).map(flavour => ({
    title: `iptables, ${flavour}`,
    settings: { mode: 'iptables' } as const,
    programs: Object.fromEntries(
      ['', '-save', '-restore'].map(suffix => [
        `iptables${suffix}`,
        `/usr/sbin/iptables-${flavour}${suffix}`,
      ]),
    ),
    writes: 'iptables-restore',
    starts: 'iptables-save',
  })),
]

const says: Readonly<Record<Fault, RegExp>> = {
  fail: /out of luck|exit status 1/,
  hang: new RegExp(`killed, for it took longer than ${LIMIT_MS} ms`),
  missing: /not found: is iptables installed|cannot run: spawn nft ENOENT/,
}

for (const { title, settings: own, programs, writes, starts } of modes) {
  t.test(title, async t => {
    await using faulty = await FaultyPrograms.create(programs)
    const { env } = faulty
    const start = (...pods: readonly TestPod[]) => {
      const options = { ...settings, ...own, families: [4] as const, programTimeoutMs: LIMIT_MS }
      const proxy = new ProxyProcess(net.node, options, env)
      proxy.set(numbered(1), ...slices(1, pods))
      proxy.sync()
      return proxy
    }
    let proxy = start(podA)
    await proxy.programmed()
    t.strictSame(await answer(), fromA)
    const warned = (fault: Fault, program: string) =>
      eventually(`a warning of ${program}`, () =>
        proxy.log.some(line => line.includes(`${program}: `) && says[fault].test(line)),
      )
    for (const fault of ['fail', 'hang', 'missing'] as const) {
      await faulty.break(writes, fault)
      const run = fault === 'hang' ? faulty.called(writes) : undefined
      proxy.set(...slices(1, [podB]))
      const { isAlive } = (await run) ?? {}
      await warned(fault, writes)
      if (isAlive !== undefined) await eventually('its death', () => !isAlive())
      t.strictSame(await answer(), fromA, `writing ${fault}: the last rules serve`)
      await faulty.heal()
      await proxy.programmed()
      t.strictSame(await answer(), fromB, `after ${fault} the change is made`)
      await proxy.stop('SIGKILL')

      await faulty.break(starts, fault)
      const startRun = fault === 'hang' ? faulty.called(starts) : undefined
      proxy = start(podA)
      const program = await startRun
      await warned(fault, starts)
      if (program !== undefined) await eventually('its death', () => !program.isAlive())
      t.strictSame(await answer(), fromB, `a start with ${starts} ${fault}: the last rules serve`)
      await faulty.heal()
      await proxy.programmed()
      t.strictSame(await answer(), fromA, `after ${fault} the rules are made`)
    }
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
  })
}

t.test('a clean-up without nft: by the library, or with an error that names the table', async t => {
  const nft = (...args: readonly string[]) => net.node.exec('/usr/sbin/nft', args)
  const withoutNft = { ...process.env, PATH: '/usr/bin' }
  await using faulty = await FaultyPrograms.create({})
  await t.resolves(cleanup(net.node, faulty.env), 'nothing is there')
  for (const table of ['nodeplane', 'nodeplane-trial', 'kube-proxy']) {
    for (const family of ['ip', 'ip6']) await nft('add', 'table', family, table)
  }
  await t.rejects(cleanup(net.node, faulty.env), {
    message: /table ip nodeplane is still there: neither nft nor libnftables\.so\.1 is installed/,
  })
  t.match((await nft('list', 'tables')).stdout, 'table ip nodeplane\n')
  await cleanup(net.node, withoutNft)
  t.notMatch((await nft('list', 'tables')).stdout, /nodeplane|kube-proxy/)
})
