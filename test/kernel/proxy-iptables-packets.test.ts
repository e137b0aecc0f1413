import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { environmentOf, savedRules } from '../helper/iptables.ts'
import {
  external,
  numbered,
  outcomesOn,
  settings,
  slices,
  type To,
  type Way,
} from '../helper/numbered-services.ts'
import { cleanup, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
// Refusals are counted here, of which the kernel sends few a second.
await net.node.exec('sysctl', ['-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0'])
await Promise.all([
  serve(podA.namespace, 'a', [8080]),
  serve(podB.namespace, 'b', [8080]),
  serve(net.node, 'node', [30006]),
  serve(net.outside, 'outside', [4444]),
])
// Where the node's default route leads, somebody has the cluster IP of Service 7 for an address.
const routedOn = { 4: '10.96.0.7', 6: 'fd00:96::7' } as const
await net.outside.ip(`address add ${routedOn[4]}/32 dev lo`)
await net.outside.ip(`address add ${routedOn[6]}/128 dev lo nodad`)

const local = { externalTrafficPolicy: 'Local' } as const
const onlyOutside = { loadBalancerSourceRanges: [`${net.outsideIp4}/32`, `${net.outsideIp6}/128`] }
const objects: readonly (EndpointSlice | Service)[] = [
  numbered(1, local),
  ...slices(1, [podA], [podB]),
  numbered(2, local),
  ...slices(2, [], [podB]),
  numbered(3, { internalTrafficPolicy: 'Local' }),
  ...slices(3, [], [podB]),
  numbered(4, onlyOutside),
  ...slices(4, [podA], [podB]),
  numbered(5, { affinityTimeoutSeconds: 600 }),
  ...slices(5, [podA, podB]),
  numbered(6),
  numbered(7),
  ...slices(7, [podA]),
]
const outcomes = outcomesOn(net)
/** Enough to see both of two endpoints, but for a chance of 1 to 32,000: there are many such looks. */
const ENOUGH = 16

const waysOf = {
  'nft 4': ['tcp', 'udp'],
  'nft 6': ['tcp'],
  'legacy 4': ['tcp'],
  'legacy 6': ['udp'],
} as const

for (const flavour of ['nft', 'legacy'] as const) {
  const env = await environmentOf(flavour)
  const node = {
    ...settings,
    mode: 'iptables',
    localhostNodePorts: true,
    masqueradeBit: 17,
  } as const
  let proxy: ProxyProcess

  t.test(`${flavour}: rules are written`, async t => {
    proxy = new ProxyProcess(net.node, node, env)
    proxy.set(...objects)
    proxy.sync()
    await proxy.programmed()
    const rules = await savedRules(net.node, flavour)
    t.ok(rules.includes('-A KUBE-MARK-MASQ -j MARK --set-xmark 0x20000/0x20000'))
  })

  for (const family of [4, 6] as const) {
    const clientIP = family === 4 ? client.ip4 : client.ip6
    const outsideIP = family === 4 ? net.outsideIp4 : net.outsideIp6
    const bridgeIP = family === 4 ? net.bridgeIp4 : net.bridgeIp6
    const both = (source: string) => [`a ${source}`, `b ${source}`]
    // The rules are the same in both flavours and much the same in all ways: some of them will do.
    const protocols = waysOf[`${flavour} ${family}`]
    for (const protocol of protocols) {
      const what = `${flavour}, IPv${family} ${protocol}`
      const way = (number: number): Way => ({ number, family, protocol })
      const from = (namespace: typeof net.node, to: To, number: number, count = ENOUGH) =>
        outcomes(namespace, to, way(number), count)

      t.test(
        `${what}: the cluster IP reaches all endpoints, masqueraded unless from pods`,
        async t => {
          t.strictSame(
            await Promise.all([
              from(client.namespace, 'clusterIP', 1),
              from(net.node, 'clusterIP', 1),
              from(net.outside, 'clusterIP', 1),
            ]),
            [both(clientIP), both(bridgeIP), both(bridgeIP)],
          )
        },
      )

      t.test(`${what}: external addresses under policy Cluster are masqueraded`, async t => {
        const answers = await Promise.all([
          ...external.map(to => from(net.outside, to, 3, 1)),
          from(client.namespace, 'vip', 3, 1),
        ])
        for (const answer of answers) t.strictSame(answer, [`b ${bridgeIP}`])
      })

      t.test(`${what}: external policy Local`, async t => {
        const outside = await Promise.all(external.map(to => from(net.outside, to, 1)))
        for (const answers of outside) t.strictSame(answers, [`a ${outsideIP}`])
        t.strictSame(await from(client.namespace, 'vip', 1), both(clientIP), 'from a pod')
        t.strictSame(await from(net.node, 'nodePort', 1), both(bridgeIP), 'from the node')
        t.strictSame(await from(client.namespace, 'vip', 2, 2), [`b ${clientIP}`])
      })

      t.test(`${what}: what is not allowed is dropped`, async t => {
        t.strictSame(
          await Promise.all([
            from(net.outside, 'vip', 2, 1),
            from(net.outside, 'nodePort', 2, 1),
            from(client.namespace, 'clusterIP', 3, 1),
            from(client.namespace, 'vip', 4, 1),
            from(net.node, 'vip', 4, 1),
          ]),
          Array.from({ length: 5 }, () => ['TIMEOUT']),
        )
        t.strictSame(await from(net.outside, 'vip', 4), both(bridgeIP), 'a source in the ranges')
        t.strictSame(await from(client.namespace, 'nodePort', 4), both(bridgeIP))
      })

      t.test(`${what}: without endpoints everybody is refused`, async t => {
        const refused = ['ECONNREFUSED']
        const outcomes = await Promise.all([
          ...(['clusterIP', ...external] as const).flatMap(to => [
            from(client.namespace, to, 6, 2),
            from(net.outside, to, 6, 2),
          ]),
          from(net.node, 'clusterIP', 6, 1),
          from(net.node, 'nodePort', 6, 1),
        ])
        for (const outcome of outcomes) t.strictSame(outcome, refused)
      })

      t.test(`${what}: a pod reaches itself, with another source`, async t => {
        t.strictSame(await from(podA.namespace, 'clusterIP', 7, 2), [`a ${bridgeIP}`])
      })

      t.test(`${what}: a client stays with its endpoint, on all addresses`, async t => {
        const names = new Set<string>()
        for (const to of ['clusterIP', 'nodePort'] as const) {
          for (const answer of await from(client.namespace, to, 5, 6)) {
            names.add(answer.split(' ')[0] as string)
          }
        }
        t.equal(names.size, 1)
      })
    }

    t.test(`${flavour}, IPv${family}: an unknown port of a cluster IP is routed on`, async t => {
      const target = { protocol: 'tcp', host: routedOn[family] } as const
      const sources = [clientIP, family === 4 ? net.nodeIp4 : net.nodeIp6]
      for (const [index, from] of [client.namespace, net.node].entries()) {
        const answers = await ask(from, { ...target, port: 4444 })
        t.strictSame(answers, [`outside ${sources[index]}`], 'with its own source')
      }
      // The port that the Service has is no way there.
      t.match(await ask(client.namespace, { ...target, port: 80 }), [/^a /])
    })
  }

  t.test(`${flavour}: a ping to a cluster IP is not answered`, async t => {
    for (const clusterIP of ['10.96.0.1', 'fd00:96::1']) {
      const ping = `ping -c 1 -W 1 ${clusterIP} || true`
      const { stdout } = await client.namespace.exec('sh', ['-c', ping])
      t.match(stdout, /0 received/)
      t.notMatch(stdout, /unreachable/i)
    }
  })

  t.test(`${flavour}: node ports answer on localhost, and nobody else reaches it`, async t => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const target = { protocol, host: '127.0.0.1', port: 30007 }
      t.strictSame(await ask(net.node, target, 2), Array(2).fill(`a ${net.bridgeIp4}`))
    }
    const rules = await savedRules(net.node, flavour)
    const guard = rules.filter(rule => rule.includes('block incoming localnet connections'))
    t.equal(guard.length, 1)
    await net.outside.ip('route add local 127.0.0.2 dev lo table 250').catch(() => {})
    await net.outside.ip('route add 127.0.0.77 via 192.168.50.1').catch(() => {})
    await serve(net.node, 'localhost', [flavour === 'nft' ? 8181 : 8182])
    const port = flavour === 'nft' ? 8181 : 8182
    await net.outside.exec('sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1'])
    const target = { protocol: 'tcp', host: '127.0.0.77', port } as const
    t.strictSame(await ask(net.outside, target), ['TIMEOUT'])
  })

  t.test(`${flavour}: what conntrack calls invalid is not forwarded`, async t => {
    const rules = await savedRules(net.node, flavour)
    // With a counter where the kernel has them.
    const drop =
      /^-A KUBE-FORWARD -m conntrack --ctstate INVALID( -m nfacct --nfacct-name +\w+)? -j DROP$/
    t.equal(rules.filter(rule => drop.test(rule)).length, 1)
  })

  t.test(`${flavour}: a clean-up leaves what is not ours`, async t => {
    await proxy.stop('SIGTERM')
    const alive = await outcomes(net.outside, 'vip', { number: 1, family: 4, protocol: 'tcp' }, 2)
    t.strictSame(alive, [`a ${net.outsideIp4}`], 'a proxy that ends leaves its rules')
    await cleanup(net.node, env)
    for (const family of [4, 6] as const) {
      const rules = await savedRules(net.node, flavour, family)
      const left = rules.filter(rule => rule.includes('KUBE-') && !rule.includes('KUBE-FIREWALL'))
      t.strictSame(left, [])
    }
    await net.node.exec(`iptables-${flavour}`, ['-F'])
    await net.node.exec('conntrack', ['-F'])
  })
}
