// How the rules come about: taken over from kube-proxy, repaired, with the lock held, with programs that fail.
import { rename, writeFile } from 'node:fs/promises'
import t from 'tap'
import { portChain } from '../../src/proxy/iptables/names.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { changeUnderConnections, serveBeside } from '../helper/changes-under-connections.ts'
import { eventually } from '../helper/eventually.ts'
import { echoLines, holdConnection } from '../helper/held-connection.ts'
import { chainsWithPackets, environmentOf, restoreRules, savedRules } from '../helper/iptables.ts'
import { numbered, outcomesOn, settings, slices } from '../helper/numbered-services.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, echo, client] = net.pods as [TestPod, TestPod, TestPod]
await serve(podA.namespace, 'a', [8080])
await echoLines(echo.namespace, 8080)
await serveBeside(net)
const outcomes = outcomesOn(net)
const ipv4 = { ...settings, families: [4], mode: 'iptables', syncPeriodMs: 200 } as const
const way = (number: number) => ({ number, family: 4, protocol: 'tcp' }) as const
const answer = (number: number) => outcomes(client.namespace, 'clusterIP', way(number), 1)

/** A proxy that has programmed Service 1 on pod a, and Service 2 where everything said comes back. */
async function start(
  env: NodeJS.ProcessEnv,
  options: Partial<ProxySettings> = {},
): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(net.node, { ...ipv4, ...options }, env)
  proxy.set(numbered(1, { affinityTimeoutSeconds: 600 }), ...slices(1, [podA]))
  proxy.set(numbered(2), ...slices(2, [echo]))
  proxy.sync()
  await proxy.programmed()
  return proxy
}

/** Packets, more than any of these tests sends. */
const MANY = 1_000_000

const comment = (text: string) => `-m comment --comment "${text}"`
const portOf = (name: string) =>
  ({ service: `default/${name}`, portName: 'TCP', protocol: 'TCP' }) as const
const endpointChain = (number: number, pod: TestPod) =>
  portChain('SEP', portOf(`s${number}`), { address: pod.ip4 as never, port: 8080 })

/** What kube-proxy writes for the TCP port of a Service, in its own words. */
function kubeProxyService(number: number, pod: TestPod): string {
  const name = `default/s${number}:TCP`
  const [svc, sep] = [portChain('SVC', portOf(`s${number}`)), endpointChain(number, pod)]
  const to = `-m tcp -p tcp -d 10.96.0.${number} --dport 80`
  const isSticky = number === 1
  const remembered = `-m recent --name ${sep} --rcheck --seconds 600 --reap`
  return [
    `:${svc} - [0:0]`,
    `:${sep} - [0:0]`,
    `-A KUBE-SERVICES ${comment(`${name} cluster IP`)} ${to} -j ${svc}`,
    `-A ${svc} ${comment(`${name} cluster IP`)} ${to} ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ`,
    ...(isSticky
      ? [`-A ${svc} ${comment(`${name} -> ${pod.ip4}:8080`)} ${remembered} -j ${sep}`]
      : []),
    `-A ${svc} ${comment(`${name} -> ${pod.ip4}:8080`)} -j ${sep}`,
    `-A ${sep} ${comment(name)} -s ${pod.ip4} -j KUBE-MARK-MASQ`,
    `-A ${sep} ${comment(name)} ${isSticky ? `-m recent --name ${sep} --set ` : ''}-m tcp -p tcp -j DNAT --to-destination ${pod.ip4}:8080`,
  ].join('\n')
}

/** All that it leaves: for Services 1 and 2 and one that is gone, and with what it shares with the kubelet. */
function kubeProxyRules(): string {
  const gone = portChain('SVC', portOf('gone'))
  return `*mangle
:KUBE-PROXY-CANARY - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A FORWARD ${comment('kubernetes forwarding rules')} -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES
-A INPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark 0x4000/0x4000 -j ACCEPT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:${gone} - [0:0]
-A PREROUTING ${comment('kubernetes service portals')} -j KUBE-SERVICES
-A OUTPUT ${comment('kubernetes service portals')} -j KUBE-SERVICES
-A POSTROUTING ${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-SERVICES ${comment('default/gone:TCP cluster IP')} -m tcp -p tcp -d 10.96.0.9 --dport 80 -j ${gone}
-A ${gone} -j RETURN
${kubeProxyService(1, podA)}
${kubeProxyService(2, echo)}
COMMIT
`
}

for (const flavour of ['nft', 'legacy'] as const) {
  const env = await environmentOf(flavour)
  const rules = () => savedRules(net.node, flavour)
  const iptables = (...args: string[]) => net.node.exec(`iptables-${flavour}`, args)
  let fresh: readonly string[] = []

  t.test(`${flavour}: a take-over from kube-proxy`, async t => {
    const proxy = await start(env)
    fresh = (await rules()).toSorted()
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
    t.notOk(
      (await rules()).some(rule => rule.includes('KUBE-')),
      'nothing is left',
    )

    // A chain that is written has rules that have seen nothing.
    await restoreRules(net.node, flavour, kubeProxyRules().replaceAll(/^-A/gm, `[${MANY}:1] -A`))
    const talk = await holdConnection(client.namespace, '10.96.0.2', 80)
    const clients = () => net.node.exec('cat', [`/proc/net/xt_recent/${endpointChain(1, podA)}`])
    t.strictSame(await answer(1), [`a ${client.ip4}`])
    t.match((await clients()).stdout, `src=${client.ip4}`)
    const successor = await start(env)
    t.match((await clients()).stdout, `src=${client.ip4}`, 'clients are remembered')
    t.equal(await talk.say('second'), 'second', 'an established connection lives on')
    t.strictSame(
      (await chainsWithPackets(net.node, flavour, MANY)).toSorted(),
      [
        // KUBE-SERVICES and KUBE-FORWARD lack rules; INPUT and FORWARD, which have others beside, get what they lack.
        'filter KUBE-FIREWALL',
        'nat KUBE-MARK-MASQ',
        'nat KUBE-POSTROUTING',
        'nat OUTPUT',
        'nat POSTROUTING',
        'nat PREROUTING',
        ...[1, 2].map(number => `nat ${portChain('SVC', portOf(`s${number}`))}`),
        `nat ${endpointChain(1, podA)}`,
        `nat ${endpointChain(2, echo)}`,
      ].toSorted(),
      'what is right stays as it is',
    )
    const kubelets = /KUBE-FIREWALL|KUBE-KUBELET-CANARY/
    const left = (await rules()).filter(rule => !kubelets.test(rule))
    t.strictSame(left.toSorted(), fresh, 'the rules are those of a fresh start')
    t.ok((await rules()).includes('-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP'))
    talk.end()
    await successor.stop('SIGTERM')
  })

  t.test(`${flavour}: no change of a Service ends a connection`, async t => {
    const proxy = await start(env)
    await changeUnderConnections(t, { net, client, echo, other: podA, families: [4], proxy })
    await proxy.stop('SIGTERM')
  })

  t.test(`${flavour}: flushed tables are filled again`, async t => {
    const proxy = await start(env)
    // The chains may be filled again before they can be removed.
    const empty = async (table: string) => {
      await iptables('-t', table, '-F')
      await iptables('-t', table, '-X').catch(() => {})
    }
    await empty('nat')
    await eventually('the repair', async () => (await answer(1))[0] === `a ${client.ip4}`)
    for (const table of ['filter', 'nat', 'mangle']) await empty(table)
    await eventually('the repair', async () => {
      const now = (await rules()).toSorted()
      return fresh.length === now.length && fresh.every((rule, index) => rule === now[index])
    })
    await proxy.stop('SIGKILL')
    t.strictSame(await answer(1), [`a ${client.ip4}`], 'rules outlive the process')
  })

  t.test(`${flavour}: a chain that a rule of others leads to is emptied and stays`, async t => {
    const proxy = await start(env)
    const sep = endpointChain(1, podA)
    await iptables('-t', 'nat', '-A', 'PREROUTING', '-p', 'sctp', '-j', sep)
    // The kernel refuses to remove it; what follows is a sync of everything.
    proxy.set(...slices(1, []))
    await proxy.programmed()
    t.strictSame(await answer(1), ['ECONNREFUSED'])
    const left = (await rules()).filter(rule => rule.includes(sep))
    t.strictSame(left, [`:${sep} -`, `-A PREROUTING -p sctp -j ${sep}`])
    await iptables('-t', 'nat', '-D', 'PREROUTING', '-p', 'sctp', '-j', sep)
    await proxy.stop('SIGTERM')
  })

  t.test(
    `${flavour}: kill -9 at any moment: connections go on, the same rules at last`,
    async t => {
      let proxy = await start(env)
      const before = (await rules()).toSorted()
      const talk = await holdConnection(client.namespace, '10.96.0.2', 80)
      const many = Array.from({ length: 50 }, (_, index) => numbered(100 + index))
      for (let round = 0; round < 5; round++) {
        proxy.set(...many, ...slices(1, round % 2 ? [] : [podA, echo]))
        await new Promise(resolve => setTimeout(resolve, Math.random() * 200))
        await proxy.stop('SIGKILL')
        proxy = await start(env)
      }
      t.strictSame((await rules()).toSorted(), before)
      t.equal(await talk.say('second'), 'second')
      talk.end()
      await proxy.stop('SIGTERM')
    },
  )

  t.test(`${flavour}: programs that fail, and then work`, async t => {
    const folder = (env['PATH'] as string).split(':')[0] as string
    const proxy = await start(env)
    const restore = `${folder}/iptables-restore`
    await net.node.exec('mv', [restore, `${restore}.away`])
    // Fails, dies. (One that cannot be started is looked for further on in PATH, where the real one is.)
    const faults = [
      { script: '/bin/false', pods: [] },
      { script: '/bin/sh\nkill -9 $$', pods: [echo] },
    ]
    for (const { script, pods } of faults) {
      // In one step: half written it would be an empty script, which succeeds.
      await writeFile(`${restore}.new`, `#!${script}\n`, { mode: 0o755 })
      await rename(`${restore}.new`, restore)
      proxy.set(...slices(1, pods))
      await t.rejects(proxy.programmed(undefined, 300), script)
    }
    await net.node.exec('mv', [`${restore}.away`, restore])
    proxy.set(...slices(1, [podA]))
    await proxy.programmed()
    t.strictSame(await answer(1), [`a ${client.ip4}`])
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
    await iptables('-F')
  })
}

t.test('nft: what others change is repaired at once, and the log says who it was', async t => {
  const env = await environmentOf('nft')
  const iptables = (...args: string[]) => net.node.exec('iptables-nft', args)
  const proxy = await start(env, { syncPeriodMs: 600_000 })
  const warnings = () => proxy.log.filter(line => line.includes('changed by somebody else'))
  const before = await savedRules(net.node, 'nft')
  const faults: readonly (() => Promise<unknown>)[] = [
    () => iptables('-t', 'nat', '-F', 'KUBE-SERVICES'),
    () => iptables('-t', 'nat', '-F', 'PREROUTING'),
    () => iptables('-t', 'nat', '-A', 'KUBE-MARK-MASQ', '-j', 'RETURN'),
    () => iptables('-t', 'nat', '-F'),
    () => net.node.exec('nft', ['delete', 'table', 'ip', 'nat']),
  ]
  for (const [round, fault] of faults.entries()) {
    await fault()
    await eventually('the repair', async () => {
      const now = await savedRules(net.node, 'nft')
      return now.toSorted().join('\n') === before.toSorted().join('\n')
    })
    t.strictSame(await answer(1), [`a ${client.ip4}`])
    const said = await eventually('a warning', () => warnings()[round])
    t.match(said, /\b(iptables|nft) \(pid \d+\): /)
  }
  const count = warnings().length
  // What others do beside ours, and what the proxy writes itself, is no loss.
  await iptables('-t', 'nat', '-I', 'PREROUTING', '-s', '192.0.2.1', '-j', 'RETURN')
  await iptables('-t', 'nat', '-D', 'PREROUTING', '-s', '192.0.2.1', '-j', 'RETURN')
  for (const pods of [[], [podA], [], [podA]]) {
    proxy.set(...slices(1, pods))
    await proxy.programmed()
  }
  await iptables('-t', 'nat', '-F', 'KUBE-NODEPORTS')
  await eventually('a warning', () => warnings().length > count)
  t.equal(warnings().length, count + 1)
  await proxy.stop('SIGTERM')
  await cleanup(net.node, env)
})

t.test('legacy: what others take out is repaired within a second or so', async t => {
  const env = await environmentOf('legacy')
  const iptables = (...args: string[]) => net.node.exec('iptables-legacy', args)
  // The periodic look is far away.
  const proxy = await start(env, { syncPeriodMs: 600_000 })
  const warnings = () => proxy.log.filter(line => line.includes('changed by somebody else'))
  const before = (await savedRules(net.node, 'legacy')).toSorted()
  const faults = [
    ['-t', 'nat', '-F'],
    ['-t', 'nat', '-F', 'PREROUTING'],
    ['-t', 'filter', '-F'],
    ['-t', 'nat', '-D', 'KUBE-MARK-MASQ', '1'],
    ['-t', 'mangle', '-X'],
  ]
  for (const [round, fault] of faults.entries()) {
    await iptables(...fault)
    await eventually('the repair', async () => {
      const now = await savedRules(net.node, 'legacy')
      return now.toSorted().join('\n') === before.join('\n')
    })
    t.match(await eventually('a warning', () => warnings()[round]), /rules were taken out of/)
  }
  const count = warnings().length
  // What others do beside ours, and what the proxy writes itself, is no loss.
  await iptables('-t', 'nat', '-I', 'PREROUTING', '-s', '192.0.2.1', '-j', 'RETURN')
  await iptables('-t', 'nat', '-D', 'PREROUTING', '-s', '192.0.2.1', '-j', 'RETURN')
  for (const pods of [[], [podA], [], [podA]]) {
    proxy.set(...slices(1, pods))
    await proxy.programmed()
  }
  await iptables('-t', 'nat', '-F', 'KUBE-NODEPORTS')
  await eventually('a warning', () => warnings().length > count)
  t.equal(warnings().length, count + 1)
  await proxy.stop('SIGTERM')
  await cleanup(net.node, env)
})

t.test('legacy: a lock that others hold is waited for', async t => {
  const env = await environmentOf('legacy')
  const holder = net.node.spawn('flock', ['/run/xtables.lock', 'cat'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const busy = () =>
    net.node.exec('flock', ['-n', '/run/xtables.lock', 'true']).then(
      () => false,
      () => true,
    )
  await eventually('the lock to be taken', busy)
  const started = start(env)
  const first = await Promise.race([
    started.then(() => 'written'),
    eventually('nothing', () => undefined, 1500).catch(() => 'waiting'),
  ])
  t.equal(first, 'waiting')
  holder.stdin?.end()
  const proxy = await started
  t.strictSame(await answer(1), [`a ${client.ip4}`])
  await proxy.stop('SIGTERM')
  await cleanup(net.node, env)
})
