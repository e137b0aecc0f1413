import { readFileSync, writeFileSync } from 'node:fs'
import { pino } from 'pino'
import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import { parsePrefix } from '#net/prefix.ts'
import { systemClock } from '#runtime/clock.ts'
import { createLogger } from '#runtime/log.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { ipvs } from '../../src/proxy/ipvs/module.ts'
import { createProxyMetrics } from '../../src/proxy/metrics.ts'
import type { IpvsSettings, ProxySettings } from '../../src/proxy/settings.ts'
import { servicePort } from '../helper/cluster.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import { statesOf } from '../proxy/ipvs/states.ts'
import { client, destinationsOf, net, podA, podB, run, settings, target } from './fixture.ts'
import { RunningProxy } from './proxy.ts'

const log = await createLogger('fatal', false)
const metrics = createProxyMetrics(createMetrics(), 'ipvs')(4)
const common = { metrics, log, clock: systemClock, serviceCIDRs: () => [] }
const open = (options: IpvsSettings, to = log) =>
  ipvs.open({ family: 4, settings: { ...settings, ipvs: options }, ...common, log: to })
const sysctl = (path: string) => readFileSync(`/proc/sys/net/ipv4/${path}`, 'utf8').trim()

const schedulers = 'rr wrr lc wlc lblc lblcr sh dh sed nq fo ovf mh'.split(' ')

await t.test('start', async t => {
  await t.test(
    'every scheduler of the kernel is accepted, another one refused by name',
    async t => {
      await run('ipvsadm -C')
      for (const scheduler of schedulers) {
        await using backend = await open({ scheduler })
        t.equal(backend.name, 'ipvs', scheduler)
      }
      await t.rejects(open({ scheduler: 'best' }), {
        code: 'ERR_IPVS_SCHEDULER',
        message: /"best"/,
      })
      t.equal(await run('ipvsadm -Sn'), '', 'nothing of the attempts is left')
    },
  )

  await t.test('time-outs and sysctls', async t => {
    const before = await run('ipvsadm -L --timeout')
    const fin = /tcp tcpfin udp\): \d+ (\d+)/.exec(before)?.[1]
    await using _ = await open({ tcpTimeoutSeconds: 777, udpTimeoutSeconds: 55, strictARP: true })
    t.match(await run('ipvsadm -L --timeout'), `777 ${fin} 55`)
    const names = [
      'vs/conntrack',
      'vs/expire_nodest_conn',
      'vs/expire_quiescent_template',
      'ip_forward',
    ]
    t.strictSame(names.map(sysctl), ['1', '1', '1', '1'])
    t.strictSame(['conf/all/arp_ignore', 'conf/all/arp_announce'].map(sysctl), ['1', '2'])
  })

  await t.test('an init container can set the sysctls', async t => {
    const paths = ['vs/conntrack', 'vs/expire_nodest_conn', 'ip_forward', 'conf/all/arp_ignore']
    for (const path of paths) writeFileSync(`/proc/sys/net/ipv4/${path}`, '0')
    const strict = { ...settings, ipvs: { strictARP: true } }
    await ipvs.prepareKernel({ family: 4, settings: strict, log })
    t.strictSame(paths.map(sysctl), ['1', '1', '1', '1'])
  })

  await t.test('a sysctl that cannot be set ends the start, time-outs are only told', async t => {
    await run('mount -t tmpfs none /proc/sys/net/ipv4/vs')
    await t.rejects(open({}), { code: 'ERR_SYSCTL', message: /net\/ipv4\/vs\/conntrack/ })
    await run('umount /proc/sys/net/ipv4/vs')
    const told: unknown[] = []
    const warned = pino({}, { write: line => void told.push(JSON.parse(line)) })
    // More than the kernel can count in its ticks.
    await using backend = await open({ tcpTimeoutSeconds: 2 ** 31 - 1 }, warned)
    t.equal(backend.name, 'ipvs')
    t.match(told, [{ level: 40, msg: 'the IPVS time-outs stay as they are', reason: /EINVAL/ }])
  })

  await t.test('a kube-ipvs0 that is no dummy is named, until it has gone', async t => {
    await run('ip link del kube-ipvs0').catch(() => {})
    await run('ip link add kube-ipvs0 type bridge')
    await using backend = await open({})
    const states = statesOf([numbered(1), ...slices(1, [podA])])
    const signal = AbortSignal.timeout(60_000)
    await t.rejects(backend.replace(states, signal), {
      code: 'ERR_DUMMY_LINK',
      message: 'link kube-ipvs0: is a bridge, not a dummy; remove or rename it',
    })
    await run('ip link del kube-ipvs0')
    await backend.replace(states, signal)
    t.match(await run('ip -d link show kube-ipvs0'), /dummy/)
    await run('ipvsadm -C')
  })

  await t.test('virtual servers of others stay only where they are excluded', async t => {
    for (const server of ['192.0.2.1:80', '192.0.3.1:80'])
      await run(`ipvsadm -A -t ${server} -s rr`)
    const excludeCIDRs = [parsePrefix('192.0.2.0/24') as never]
    await using _ = await RunningProxy.start({ ...settings, ipvs: { excludeCIDRs } }, [])
    t.equal(await run('ipvsadm -Sn'), '-A -t 192.0.2.1:80 -s rr\n')
    await run('ipvsadm -C')
  })

  await t.test('a Service whose server is excluded is served; it stays when that goes', async t => {
    const excludeCIDRs = [parsePrefix('10.96.0.0/24') as never]
    const excluding: ProxySettings = { ...settings, families: [4], ipvs: { excludeCIDRs } }
    const service = [numbered(1), ...slices(1, [podA])]
    await using proxy = await RunningProxy.start(excluding, service)
    await proxy.set(...slices(1, [podA], [podB]))
    t.equal((await destinationsOf('-t 10.96.0.1:80')).length, 2)
    await proxy.delete('Service', 'default/s1')
    const servers = async () => (await run('ipvsadm -Sn')).match(/(?<=^-A -. )\S+/gm)
    // By TCP and by UDP.
    const kept = ['10.96.0.1:80', '10.96.0.1:80']
    t.strictSame(await servers(), kept, 'after a change')
    await using _ = await RunningProxy.start(excluding, [])
    t.strictSame(await servers(), kept, 'after a start')
    await run('ipvsadm -C')
  })

  await t.test('nothing differs after a start, whatever the Services use', async t => {
    const ranges = [`${net.nodeIp4}/32`, `${net.nodeIp6}/128`]
    const objects = [
      // Their ranges leave the node out, and name it.
      numbered(5, { loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/64'] }),
      numbered(6, { loadBalancerSourceRanges: ranges }),
      numbered(7, { externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 }),
      numbered(8, {
        ports: [servicePort({ name: 'S', protocol: 'SCTP', nodePort: 30_008 })],
        affinityTimeoutSeconds: 100,
      }),
      ...[5, 6, 7].flatMap(number => slices(number, [podA], [podB])),
    ]
    const nodeIPs = [net.nodeIp4, net.nodeIp6] as IpAddress[]
    const named = { ...settings, nodeIPs }
    await using _ = await RunningProxy.start(named, objects)
    t.match(await run('iptables-save'), /-A KUBE-IPVS-OUT-FILTER -s 203\.0\.113\.5\/32 .*-j DROP/)
    for (const family of [4, 6] as const) {
      const inspected = { family, settings: named, ...common }
      const states = statesOf(objects, family)
      t.strictSame(await ipvs.diff?.(inspected, states, AbortSignal.timeout(120_000)), [])
    }
  })

  await t.test("kube-proxy's state is taken over", async t => {
    // What kube-proxy 1.36 leaves when it is stopped, with one endpoint that has gone since, and a Service.
    const commands = [
      'ip address add 10.96.0.1/32 dev kube-ipvs0',
      'ip address add 10.96.0.99/32 dev kube-ipvs0',
      'ipvsadm -A -t 10.96.0.1:80 -s wrr',
      `ipvsadm -a -t 10.96.0.1:80 -r ${podA.ip4}:8080 -m -w 1`,
      'ipvsadm -A -t 10.96.0.99:80 -s rr',
      'ipset destroy KUBE-LOOP-BACK',
      'ipset create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536',
      `ipset add KUBE-LOOP-BACK ${podB.ip4},tcp:8080,${podB.ip4}`,
      'ipset add KUBE-CLUSTER-IP 10.96.0.99,tcp:80',
    ]
    await run('iptables -t nat -F KUBE-POSTROUTING')
    for (const command of commands) await run(command)
    const connection = await client.hold(target('clusterIP', { number: 1 }))
    t.match(connection.answer, /^a /)
    const objects = [numbered(1), ...slices(1, [podA], [podB])]
    await using _ = await RunningProxy.start(settings, objects)
    t.equal(await connection.say('hello'), 'hello')
    t.match(await run('ipvsadm -Sn'), '-A -t 10.96.0.1:80 -s rr\n')
    t.equal((await destinationsOf('-t 10.96.0.1:80')).length, 2)
    t.notMatch(await run('ipvsadm -Sn'), '10.96.0.99')
    t.notMatch(await run('ip -br address show dev kube-ipvs0'), '10.96.0.99')
    t.notMatch(await run('ipset save'), '10.96.0.99')
  })

  await t.test('what differs is named, and the description makes what is wanted', async t => {
    const inspected = { family: 4, settings, ...common } as const
    const states = statesOf([numbered(1), ...slices(1, [podA], [podB])])
    const signal = AbortSignal.timeout(120_000)
    const differences = async () =>
      ((await ipvs.diff?.(inspected, states, signal)) ?? []).map(
        ({ place, wanted = '', found = '' }) => [place, wanted, found],
      )
    t.strictSame(await differences(), [])
    for (const command of [
      `ipvsadm -d -t 10.96.0.1:80 -r ${podB.ip4}:8080`,
      'ipvsadm -E -t 203.0.113.1:80 -s lc',
      'ip address add 10.96.0.99/32 dev kube-ipvs0',
      'ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:80',
      'iptables -t nat -F KUBE-MARK-MASQ',
    ])
      await run(command)
    t.strictSame(await differences(), [
      ['ipvs', '-t 203.0.113.1:80 -s rr', '-t 203.0.113.1:80 -s lc'],
      ['ipvs', `-t 10.96.0.1:80 -r ${podB.ip4}:8080 -m -w 1`, ''],
      ['link kube-ipvs0', '', '10.96.0.99'],
      ['ipset', 'KUBE-CLUSTER-IP 10.96.0.1,tcp:80', ''],
      ['iptables nat KUBE-MARK-MASQ', '-j MARK --set-xmark 0x4000/0x4000', ''],
    ])
    const lines: string[] = []
    for await (const line of ipvs.describe?.(inspected, states) ?? []) lines.push(line)
    await ipvs.cleanup({ log }, signal)
    const rules = lines.indexOf('*nat')
    for (const command of lines.slice(0, rules)) if (!command.startsWith('#')) await run(command)
    writeFileSync('/run/rules', `${lines.slice(rules).join('\n')}\n`)
    await run('iptables-restore --noflush /run/rules')
    t.strictSame(await differences(), [])
  })

  await t.test('the clean-up leaves nothing, and nothing of others goes', async t => {
    await run('iptables -A INPUT -s 192.0.2.7 -j ACCEPT')
    await run('ipset create theirs hash:ip')
    for (const _ of ['first', 'second']) {
      await ipvs.cleanup({ log }, AbortSignal.timeout(60_000))
      t.equal(await run('ipvsadm -Sn'), '')
      t.notMatch(await run('ip -br link'), 'kube-ipvs0')
      t.equal((await run('ipset list -n')).trim(), 'theirs')
      for (const program of ['iptables-save', 'ip6tables-save'])
        t.notMatch(await run(program), 'KUBE')
      t.match(await run('iptables-save'), '-A INPUT -s 192.0.2.7/32 -j ACCEPT')
    }
    await run('ipvsadm -A -t 192.0.2.1:80 -s rr')
    await ipvs.cleanup({ log }, AbortSignal.timeout(60_000))
    t.match(await run('ipvsadm -Sn'), '192.0.2.1', 'no proxy was here: the server is not its')
  })
})
