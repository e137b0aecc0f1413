// SCTP goes the way of TCP and UDP. Few kernels have sockets for it, so what is looked at is where conntrack says that the
// first packet of an association was sent.
import t from 'tap'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { settings } from '../helper/numbered-services.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'

const INIT = new URL('../fixtures/send-sctp-init.ts', import.meta.url).pathname
const net = await Topology.create(2)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [pod, client] = net.pods as [TestPod, TestPod]

const port = { name: 'signal', protocol: 'SCTP', port: 80 } as const
const objects = [
  service({
    type: 'LoadBalancer',
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1', 'fd00:96::1'],
    ipFamilies: [4, 6],
    externalIPs: ['198.51.100.1', 'fd00:e::1'],
    ports: [servicePort({ ...port, nodePort: 30080 })],
  }),
  ...([4, 6] as const).map(family =>
    slice({
      name: `web-${family}`,
      labels: { [SERVICE_NAME_LABEL]: 'web' },
      addressType: `IPv${family}`,
      ports: [{ ...port, port: 8080 }],
      endpoints: [endpoint(family === 4 ? pod.ip4 : pod.ip6)],
    }),
  ),
]

/** Where the packet came to, and as whose, by the node's conntrack. */
async function wayOf(from: TestPod['namespace'], host: string, number: number) {
  return await eventually(`an association to ${host}`, async () => {
    // Conntrack forgets it within seconds.
    await from.exec(process.execPath, [INIT, host, String(number)])
    const family = host.includes(':') ? 'ipv6' : 'ipv4'
    const { stdout } = await net.node.exec('conntrack', [
      '-L',
      '-f',
      family,
      '-p',
      'sctp',
      '-d',
      host,
    ])
    // The second tuple is that of the answer.
    return / src=\S+ .* src=(\S+) dst=(\S+) sport=(\d+)/.exec(stdout)?.slice(1, 4).join(' ')
  })
}

for (const mode of ['nftables', 'iptables'] as const) {
  t.test(`${mode}: SCTP reaches the endpoint, masqueraded as TCP and UDP are`, async t => {
    const proxy = new ProxyProcess(net.node, { ...settings, mode })
    proxy.set(...objects)
    proxy.sync()
    await proxy.programmed()
    for (const { clusterIP, externalIP, nodeIP, podIP, clientIP, bridgeIP } of [
      {
        clusterIP: '10.96.0.1',
        externalIP: '198.51.100.1',
        nodeIP: net.nodeIp4,
        podIP: pod.ip4,
        clientIP: client.ip4,
        bridgeIP: net.bridgeIp4,
      },
      {
        clusterIP: 'fd00:96::1',
        externalIP: 'fd00:e::1',
        nodeIP: net.nodeIp6,
        podIP: pod.ip6,
        clientIP: client.ip6,
        bridgeIP: net.bridgeIp6,
      },
    ]) {
      t.equal(await wayOf(client.namespace, clusterIP, 80), `${podIP} ${clientIP} 8080`)
      t.equal(await wayOf(net.outside, externalIP, 80), `${podIP} ${bridgeIP} 8080`)
      t.equal(await wayOf(net.outside, nodeIP, 30080), `${podIP} ${bridgeIP} 8080`)
    }
    await proxy.stop('SIGTERM')
    await cleanup(net.node)
    await net.node.exec('conntrack', ['-F'])
  })
}
