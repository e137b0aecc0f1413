import { once } from 'node:events'
import type { Readable } from 'node:stream'
import t from 'tap'
import { parseNftCounters } from '#linux/nft-listing.ts'
import { parsePrefix } from '#net/prefix.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const FORGE = new URL('../fixtures/forge-segment.ts', import.meta.url).pathname

const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [pod, client] = net.pods as [TestPod, TestPod]
await Promise.all([serve(pod.namespace, 'a', [8080]), serve(net.node, 'node', [7777])])

const plain: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const ports = (['TCP', 'UDP'] as const).map(protocol => ({ name: protocol, protocol, port: 8080 }))
const web = service({
  clusterIP: '10.96.0.1',
  clusterIPs: ['10.96.0.1', 'fd00:96::1'],
  ipFamilies: [4, 6],
  ports: ports.map(({ name, protocol }) => servicePort({ name, protocol, nodePort: 30080 })),
})
const local = service({
  name: 'local',
  type: 'NodePort',
  externalTrafficPolicy: 'Local',
  clusterIP: '10.96.0.2',
  clusterIPs: ['10.96.0.2', 'fd00:96::2'],
  ipFamilies: [4, 6],
  ports: [servicePort({ name: 'TCP', nodePort: 30081 })],
})
/** The same, but its endpoint is said to be on another node. */
const away = service({
  name: 'away',
  type: 'NodePort',
  externalTrafficPolicy: 'Local',
  clusterIP: '10.96.0.4',
  clusterIPs: ['10.96.0.4', 'fd00:96::4'],
  ipFamilies: [4, 6],
  ports: [servicePort({ name: 'TCP', nodePort: 30082 })],
})
const slicesOf = (name: string, nodeName = 'node-1') => {
  const labels = { 'kubernetes.io/service-name': name }
  const node = { nodeName }
  return [
    slice({ name: `${name}-4`, labels, ports, endpoints: [endpoint(pod.ip4, node)] }),
    slice({
      name: `${name}-6`,
      labels,
      ports,
      addressType: 'IPv6',
      endpoints: [endpoint(pod.ip6, node)],
    }),
  ]
}

async function start(settings: Partial<ProxySettings>): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(net.node, { ...plain, ...settings })
  proxy.set(web, local, ...slicesOf('web'), ...slicesOf('local'))
  proxy.set(away, ...slicesOf('away', 'node-2'))
  proxy.sync()
  await proxy.programmed()
  return proxy
}

const detectors: readonly { title: string; settings: Partial<ProxySettings> }[] = [
  {
    title: 'by source',
    settings: {
      clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'].map(text => parsePrefix(text) as never),
    },
  },
  { title: 'by interface', settings: { podInterface: { name: 'br0', isPrefix: false } } },
  { title: "by an interface's prefix", settings: { podInterface: { name: 'br', isPrefix: true } } },
]
for (const { title, settings } of detectors) {
  t.test(`detector ${title}: all but pods are masqueraded on the way to a cluster IP`, async t => {
    const proxy = await start(settings)
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const [host, podIp, nodeIp] of [
        ['10.96.0.1', client.ip4, net.bridgeIp4],
        ['fd00:96::1', client.ip6, net.bridgeIp6],
      ] as const) {
        const target = { protocol, host, port: 80 }
        for (const [where, from, source] of [
          ['a pod', client.namespace, podIp],
          ['the node', net.node, nodeIp],
          ['outside', net.outside, nodeIp],
        ] as const) {
          const answers = await ask(from, target)
          t.strictSame(
            answers,
            [`a ${source}`],
            `${protocol} ${host} from ${where}: ${answers.join()}`,
          )
        }
      }
    }
    await proxy.stop('SIGTERM')
  })
}

for (const mode of ['nftables', 'iptables'] as const) {
  for (const { title, settings } of detectors) {
    t.test(`${mode}, detector ${title}: node ports under policy Local`, async t => {
      const proxy = await start({ ...settings, mode })
      for (const [host, podIp, nodeIp, outsideIp] of [
        [net.nodeIp4, client.ip4, net.bridgeIp4, net.outsideIp4],
        [net.nodeIp6, client.ip6, net.bridgeIp6, net.outsideIp6],
      ] as const) {
        const here = { protocol: 'tcp', host, port: 30081 } as const
        const elsewhere = { ...here, port: 30082 }
        for (const [where, from, source] of [
          ['a pod', client.namespace, podIp],
          ['the node', net.node, nodeIp],
        ] as const) {
          t.strictSame(await ask(from, here), [`a ${source}`], `${host} from ${where}`)
          t.strictSame(await ask(from, elsewhere), [`a ${source}`], `${where} reaches other nodes`)
        }
        t.strictSame(await ask(net.outside, here), [`a ${outsideIp}`], `${host} from outside`)
        t.strictSame(await ask(net.outside, elsewhere), ['TIMEOUT'], 'others do not')
      }
      await proxy.stop('SIGTERM')
      await cleanup(net.node)
    })
  }
}

t.test('an exact interface name is no prefix', async t => {
  const proxy = await start({ podInterface: { name: 'br', isPrefix: false } })
  const target = { protocol: 'tcp', host: '10.96.0.1', port: 80 } as const
  t.strictSame(await ask(client.namespace, target), [`a ${net.bridgeIp4}`])
  await proxy.stop('SIGTERM')
})

t.test('node ports on loopback', async t => {
  const proxy = await start({ localhostNodePorts: true })
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1']) {
      const source = host === '::1' ? net.bridgeIp6 : net.bridgeIp4
      t.strictSame(await ask(net.node, { protocol, host, port: 30080 }), [`a ${source}`], host)
    }
  }
  for (const [host, source] of [
    ['127.0.0.1', net.bridgeIp4],
    ['::1', net.bridgeIp6],
  ] as const) {
    const target = { protocol: 'tcp', host, port: 30081 } as const
    t.strictSame(await ask(net.node, target), [`a ${source}`], `${host}, policy Local`)
    t.match(await ask(net.node, { ...target, port: 7777 }), [/^node /], `${host}, other ports`)
  }
  await net.outside.exec('ip', ['link', 'set', 'lo', 'down'])
  await net.outside.exec('sh', [
    '-c',
    'ip route flush table local dev lo; ip route add 127.0.0.0/8 via 192.168.50.1 src 192.168.50.2',
  ])
  await net.outside.exec('sysctl', ['-qw', 'net.ipv4.conf.all.route_localnet=1'])
  for (const port of [7777, 30080]) {
    const stranger = { protocol: 'tcp', host: '127.0.0.1', port } as const
    t.strictSame(await ask(net.outside, stranger), ['TIMEOUT'], `nobody else reaches ${port}`)
  }
  await net.outside.exec('ip', ['route', 'del', '127.0.0.0/8'])
  await proxy.stop('SIGTERM')
})

t.test('node ports are not on loopback unless it is selected', async t => {
  const proxy = await start({
    localhostNodePorts: true,
    nodePortAddresses: ['192.168.50.1/32', 'fd00:50::1/128'].map(p => parsePrefix(p) as never),
  })
  for (const host of ['127.0.0.1', '::1']) {
    t.strictSame(await ask(net.node, { protocol: 'tcp', host, port: 30080 }), ['ECONNREFUSED'])
  }
  await proxy.stop('SIGTERM')
})

/** An open connection from outside through the cluster IP: its source port. */
async function openConnection(): Promise<number> {
  const child = net.outside.spawn('ncat', ['-v', '10.96.0.3', '80'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  await once(child.stderr as Readable, 'data')
  return await eventually('the connection', async () => {
    const { stdout } = await net.outside.exec('ss', ['-Htn', 'dst', '10.96.0.3'])
    const port = /:(\d+)\s+10\.96\.0\.3:80/.exec(stdout)?.[1]
    return port === undefined ? undefined : Number(port)
  })
}

for (const { liberal, isSeen } of [
  { liberal: '0', isSeen: false },
  { liberal: '1', isSeen: true },
]) {
  const outcome = isSeen ? 'is forwarded' : 'is dropped'
  t.test(`a segment outside the window ${outcome} when be_liberal was ${liberal}`, async t => {
    const beLiberal = (value: string) =>
      net.node.exec('sysctl', ['-qw', `net.netfilter.nf_conntrack_tcp_be_liberal=${value}`])
    await beLiberal(liberal)
    const proxy = await start({ families: [4] })
    const labels = { 'kubernetes.io/service-name': 'open' }
    proxy.set(
      service({ name: 'open', clusterIP: '10.96.0.3' }),
      slice({
        name: 'open',
        labels,
        ports: [{ name: '', protocol: 'TCP', port: 9000 }],
        endpoints: [endpoint(pod.ip4)],
      }),
    )
    await proxy.programmed()
    await beLiberal('0')
    const server = pod.namespace.spawn('ncat', ['-lk', '9000'], { stdio: 'ignore' })
    await eventually('a listener', async () =>
      (await pod.namespace.exec('ss', ['-Htln'])).stdout.includes(':9000'),
    )
    const port = await openConnection()
    const input = `table ip seen { chain c { type filter hook prerouting priority -300;\nip saddr ${pod.ip4} tcp sport 9000 counter; }\n}\n`
    await net.outside.exec('nft', ['-f', '-'], { input })
    const forge = [FORGE, pod.ip4, '9000', net.outsideIp4, String(port)]
    await pod.namespace.exec(process.execPath, forge)
    // What comes after it has come when it has come.
    t.match(await ask(net.outside, { protocol: 'tcp', host: '10.96.0.1', port: 80 }), [/^a /])
    const packets = async () => {
      const { stdout } = await net.outside.exec('nft', ['list', 'table', 'ip', 'seen'])
      return Number(/packets (\d+)/.exec(stdout)?.[1])
    }
    // On a busy machine the two may have come by different cores.
    if (isSeen) await eventually('the segment to come', async () => (await packets()) > 0)
    else t.equal(await packets(), 0)
    await net.outside.exec('nft', ['delete', 'table', 'ip', 'seen'])
    const ended = once(server, 'exit')
    server.kill()
    await ended
    await proxy.stop('SIGTERM')
  })
}

t.test('packets and bytes are counted once, whatever way they go', async t => {
  const proxy = await start({ families: [4], localhostNodePorts: true })
  const { stdout: before } = await net.node.exec('nft', [
    '-j',
    'list',
    'set',
    'ip',
    'nodeplane',
    'traffic',
  ])
  const count = async (name: string, key: string) => {
    const { stdout } = await net.node.exec('nft', ['-j', 'list', 'set', 'ip', 'nodeplane', name])
    return parseNftCounters(stdout).get(key)
  }
  const first = parseNftCounters(before).get('10.96.0.1 . udp . 80')
  // A question of one byte and its answer `a SOURCE`: two packets with 28 bytes of headers each.
  let packets = first?.packets ?? 0
  let bytes = first?.bytes ?? 0
  for (const [from, source] of [
    [client.namespace, client.ip4],
    [net.node, net.bridgeIp4],
    [net.outside, net.outsideIp4],
  ] as const) {
    const answers = await ask(from, { protocol: 'udp', host: '10.96.0.1', port: 80 }, 3)
    packets += 6
    for (const answer of answers) bytes += 28 + 1 + 28 + answer.length
    t.strictSame(await count('traffic', '10.96.0.1 . udp . 80'), { packets, bytes }, source)
  }
  const ports = (await count('traffic-nodeports', 'udp . 30080'))?.packets ?? 0
  await ask(net.node, { protocol: 'udp', host: '127.0.0.1', port: 30080 })
  t.equal((await count('traffic-nodeports', 'udp . 30080'))?.packets, ports + 2)
  await proxy.stop('SIGTERM')
})
