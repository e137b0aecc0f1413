import t from 'tap'
import type { Service } from '#cluster/objects.ts'
import { servicePort, slice } from '../helper/cluster.ts'
import { external, numbered, slices, type To } from '../helper/numbered-services.ts'
import {
  a,
  client,
  net,
  node,
  outside,
  podA,
  podB,
  podC,
  run,
  settings,
  target,
} from './fixture.ts'
import { RunningProxy } from './proxy.ts'

const sctp: Service = numbered(7, { ports: [servicePort({ name: 'S', protocol: 'SCTP' })] })
const objects = [
  numbered(1),
  ...slices(1, [podA], [podB]),
  numbered(2),
  numbered(3, { externalTrafficPolicy: 'Local', healthCheckNodePort: 32_003 }),
  ...slices(3, [podA], [podB]),
  numbered(4, {
    internalTrafficPolicy: 'Local',
    type: 'ClusterIP',
    ports: [servicePort({ name: 'TCP' }), servicePort({ name: 'UDP', protocol: 'UDP' })],
    externalIPs: [],
    loadBalancerIngress: [],
  }),
  ...slices(4, [], [podB]),
  numbered(5, { loadBalancerSourceRanges: [`${net.outsideIp4}/32`, `${net.outsideIp6}/128`] }),
  ...slices(5, [podA], [podB]),
  numbered(6, { affinityTimeoutSeconds: 100 }),
  ...slices(6, [podA], [podB]),
  numbered(8, { externalTrafficPolicy: 'Local' }),
  ...slices(8, [], [podB]),
  sctp,
  ...slices(7, [podA]).map(({ metadata, ...rest }) =>
    slice({ ...rest, ...metadata, ports: [{ name: 'S', protocol: 'SCTP', port: 8080 }] }),
  ),
]

await t.test('packets', async t => {
  await using _ = await RunningProxy.start(settings, objects)
  for (const family of [4, 6] as const) {
    const bridgeIP = family === 4 ? net.bridgeIp4 : net.bridgeIp6
    const clientIP = family === 4 ? podC.ip4 : podC.ip6
    const outsideIP = family === 4 ? net.outsideIp4 : net.outsideIp6
    const masqueraded = [`a ${bridgeIP}`, `b ${bridgeIP}`]

    for (const protocol of ['tcp', 'udp'] as const) {
      const to = (where: To, number = 1) => target(where, { number, family, protocol })
      await t.test(`IPv${family} ${protocol}: every address leads to the endpoints`, async t => {
        const fromClient = [`a ${clientIP}`, `b ${clientIP}`]
        t.strictSame(await client.ask(to('clusterIP')), fromClient, 'a pod keeps its source')
        t.strictSame(await node.ask(to('clusterIP')), masqueraded, 'cluster IP, from the node')
        for (const where of external) {
          t.strictSame(await outside.ask(to(where)), masqueraded, `${where}, from outside`)
        }
      })
      await t.test(`IPv${family} ${protocol}: policies`, async t => {
        for (const where of external) {
          t.strictSame(await outside.ask(to(where, 3)), [`a ${outsideIP}`], `${where}: Local`)
        }
        t.strictSame(await client.ask(to('clusterIP', 4), 1), ['ECONNREFUSED'], 'internal Local')
        t.strictSame(await client.ask(to('clusterIP', 2), 1), ['ECONNREFUSED'], 'no endpoints')
        t.strictSame(await outside.ask(to('vip', 2), 1), ['ECONNREFUSED'], 'no endpoints, VIP')
        t.equal((await client.ask(to('clusterIP', 6))).length, 1, 'affinity')
      })
    }
    const to = (where: To, number: number) => target(where, { number, family })
    await t.test(`IPv${family}: policy Local, from a pod and from the node`, async t => {
      const onNode = family === 4 ? net.nodeIp4 : net.nodeIp6
      for (const where of external) {
        t.strictSame(await client.ask(to(where, 3)), [`a ${clientIP}`], `${where}, from a pod`)
        // Nothing is masqueraded, and what is bound here is the source of what the node sends to it.
        const source = where === 'nodePort' ? onNode : to(where, 3).host
        t.strictSame(await node.ask(to(where, 3)), [`a ${source}`], `${where}, from the node`)
        t.match(await client.ask(to(where, 8), 2), [/^b /], `${where}: only others have endpoints`)
        t.match(await node.ask(to(where, 8), 2), [/^b /])
      }
    })
    await t.test(
      `IPv${family}: a server of the host has its port, the Service the traffic`,
      async t => {
        const taken = to('nodePort', 6)
        await node.serve('host', taken.port).catch(() => {})
        t.match(await outside.ask(taken), [/^[ab] /])
      },
    )
    await t.test(`IPv${family}: a ping is refused`, async t => {
      for (const where of ['clusterIP', 'vip'] as const) {
        const { host } = to(where, 1)
        const { stdout } = await podC.namespace.exec('sh', ['-c', `ping -c 1 -W 5 ${host} || true`])
        t.match(stdout, /Port Unreachable|Port unreachable/, where)
      }
    })
    await t.test(
      `IPv${family}: what is forwarded for Services passes where nothing else does`,
      async t => {
        const program = family === 4 ? 'iptables' : 'ip6tables'
        const direct = {
          protocol: 'tcp',
          host: family === 4 ? podA.ip4 : podA.ip6,
          port: 8080,
        } as const
        await run(`${program} -P FORWARD DROP`)
        t.teardown(() => run(`${program} -P FORWARD ACCEPT`))
        t.strictSame(await outside.ask(direct, 1), ['TIMEOUT'])
        t.strictSame(await outside.ask(to('nodePort', 1)), masqueraded)
        t.strictSame(await outside.ask(to('vip', 3)), [`a ${outsideIP}`])
        t.strictSame(await client.ask(to('clusterIP', 1)), [`a ${clientIP}`, `b ${clientIP}`])
      },
    )
    await t.test(`IPv${family}: health checks get in where nothing else does`, async t => {
      const program = family === 4 ? 'iptables' : 'ip6tables'
      const host = family === 4 ? net.nodeIp4 : `[${net.nodeIp6}]`
      await run(`${program} -A INPUT -p tcp -j DROP`)
      t.teardown(() => run(`${program} -D INPUT -p tcp -j DROP`))
      const url = `http://${host}:32003/`
      const { stdout } = await net.outside.exec('curl', ['-sS', '-g', '-m', '20', url])
      t.match(JSON.parse(stdout), { service: { name: 's3' }, localEndpoints: 1 })
      const onNode = { protocol: 'tcp', host: host.replace(/[[\]]/g, ''), port: 9999 } as const
      t.strictSame(await outside.ask(onNode, 1), ['TIMEOUT'])
    })
    await t.test(`IPv${family}: source ranges guard the VIP and nothing else`, async t => {
      t.strictSame(await outside.ask(to('vip', 5)), masqueraded)
      t.strictSame(await client.ask(to('externalIP', 5)), masqueraded)
      const dropped = [client, node].map(from => from.ask(to('vip', 5), 1))
      t.strictSame(await Promise.all(dropped), [['TIMEOUT'], ['TIMEOUT']])
    })
    await t.test(`IPv${family}: an endpoint reaches itself`, async t => {
      const answers = await a.ask(to('clusterIP', 1))
      const ownIP = family === 4 ? podA.ip4 : podA.ip6
      t.strictSame(answers, [`a ${bridgeIP}`, `b ${ownIP}`])
    })
    await t.test(`IPv${family}: ports of the host do not answer on a cluster IP`, async t => {
      const onNode = family === 4 ? net.nodeIp4 : net.nodeIp6
      t.strictSame(await client.ask({ protocol: 'tcp', host: onNode, port: 9999 }, 1), [
        `host ${clientIP}`,
      ])
      const onService = { ...to('clusterIP', 1), port: 9999 }
      t.strictSame(await client.ask(onService, 1), ['ECONNREFUSED'])
    })
  }

  await t.test('SCTP', async t => {
    const server = podA.namespace.spawn('ncat', [
      '--sctp',
      '-lk',
      '8080',
      '-c',
      'echo a $NCAT_REMOTE_ADDR',
    ])
    t.teardown(() => server.kill('SIGKILL'))
    const { host, port } = target('clusterIP', { number: 7 })
    const ask = () =>
      podC.namespace.exec('ncat', ['--sctp', '--recv-only', '-w', '5', host, String(port)])
    // The server takes a moment to listen.
    let answer = await ask().catch(() => undefined)
    for (let attempt = 0; answer === undefined && attempt < 10; attempt++) {
      answer = await ask().catch(() => undefined)
    }
    t.equal(answer?.stdout, `a ${podC.ip4}\n`)
  })

  await t.test('sets have the names, types and members that kube-proxy gives them', async t => {
    const sets = (await run('ipset list -t'))
      .split('\n\n')
      .map(text => /^Name: (.*)\nType: (.*)/.exec(text))
    t.strictSame(
      sets.map(match => `${match?.[1]} ${match?.[2]}`).sort(),
      [
        'KUBE-CLUSTER-IP hash:ip,port',
        'KUBE-EXTERNAL-IP hash:ip,port',
        'KUBE-EXTERNAL-IP-LOCAL hash:ip,port',
        'KUBE-HEALTH-CHECK-NODE-PORT bitmap:port',
        'KUBE-IPVS-IPS hash:ip',
        'KUBE-LOAD-BALANCER hash:ip,port',
        'KUBE-LOAD-BALANCER-FW hash:ip,port',
        'KUBE-LOAD-BALANCER-LOCAL hash:ip,port',
        'KUBE-LOAD-BALANCER-SOURCE-CIDR hash:ip,port,net',
        'KUBE-LOAD-BALANCER-SOURCE-IP hash:ip,port,ip',
        'KUBE-LOOP-BACK hash:ip,port,ip',
        'KUBE-NODE-PORT-LOCAL-SCTP-HASH hash:ip,port',
        'KUBE-NODE-PORT-LOCAL-TCP bitmap:port',
        'KUBE-NODE-PORT-LOCAL-UDP bitmap:port',
        'KUBE-NODE-PORT-SCTP-HASH hash:ip,port',
        'KUBE-NODE-PORT-TCP bitmap:port',
        'KUBE-NODE-PORT-UDP bitmap:port',
      ]
        .flatMap(line => [line, line.replace('KUBE-', 'KUBE-6-').replace(/^(\S{31})\S*/, '$1')])
        .sort(),
    )
    t.match(
      await run('ipset list KUBE-LOAD-BALANCER-SOURCE-CIDR'),
      `203.0.113.5,tcp:80,${net.outsideIp4}`,
    )
    t.match(await run('ipset list KUBE-LOOP-BACK'), `${podA.ip4},udp:8080,${podA.ip4}`)
  })
})
