import { mkdir, writeFile } from 'node:fs/promises'
import t from 'tap'
import type { CauseId } from '../../src/agent/why/finding.ts'
import { serve } from '../helper/traffic.ts'
import { WhyNode } from '../helper/why-node.ts'

/**
 * Faults seeded on a real node: each is named, and once it is mended nothing is wrong. The objects come from the manifests
 * that the agent reads as well.
 */

const why = await WhyNode.create(t.testdir())
t.teardown(() => why[Symbol.asyncDispose]())
const { node } = why
const { net, server, client } = node

const pod = (
  name: string,
  { namespace = 'shop', labels = {}, ...fields }: Record<string, unknown>,
) => {
  const { ip, ready = true, nodeName = 'node-a', phase = 'Running', ports = [], ...spec } = fields
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName, containers: [{ name: 'main', ports }], dnsPolicy: 'ClusterFirst', ...spec },
    status: {
      phase,
      ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

const service = (
  name: string,
  clusterIP: string,
  spec: object = {},
  ingress: readonly object[] = [],
) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: {
    clusterIP,
    clusterIPs: [clusterIP],
    selector: { app: 'web' },
    ports: [{ port: 80, targetPort: 8080 }],
    ...spec,
  },
  status: { loadBalancer: { ingress } },
})

const webPod = (fields: object = {}) =>
  pod('web-a', { labels: { app: 'web' }, ip: server.ip4, ...fields })
const web = (spec: object = {}) => service('web', '10.96.0.20', spec)
const ports = (port: object) => ({ ports: [{ port: 80, targetPort: 8080, ...port }] })

await why.put('web-a', webPod())
await why.put('client', pod('client', { labels: { app: 'client' }, ip: client.ip4 }))
await why.put('web', web())
await why.startAgent()

const fromClient = '--from shop/client'

type Fault = {
  readonly cause: CauseId
  readonly title: string
  readonly ask: string
  readonly seed: () => Promise<unknown>
  readonly mend: () => Promise<unknown>
  /** What is asked once it is mended, when it is something else. */
  readonly askMended?: string
}

const nodeIp = (words: string) => net.node.ip(words)
const sysctl = (setting: string) => net.node.exec('sysctl', ['-qw', setting])
const hairpin = (state: 'on' | 'off') => nodeIp(`link set veth0 type bridge_slave hairpin ${state}`)

const faults: readonly Fault[] = [
  {
    cause: 'upstream-resolver-down',
    title: 'nobody answers where the Corefile forwards to',
    ask: `example.test ${fromClient}`,
    seed: async () => {},
    mend: () => startUpstream(),
  },
  {
    cause: 'no-endpoints',
    title: 'the selector matches no pod',
    ask: `shop/web ${fromClient}`,
    seed: () => why.put('web', web({ selector: { app: 'wbe' } })),
    mend: () => why.put('web', web()),
  },
  {
    cause: 'none-ready',
    title: 'the pod is not ready',
    ask: `web:80 ${fromClient}`,
    seed: () => why.put('web-a', webPod({ ready: false })),
    mend: () => why.put('web-a', webPod()),
  },
  {
    cause: 'wrong-target-port',
    title: 'the Service sends to 9090, the pod listens on 8080',
    ask: `shop/web ${fromClient}`,
    seed: () => why.put('web', web(ports({ targetPort: 9090 }))),
    mend: () => why.put('web', web()),
  },
  {
    cause: 'port-name-mismatch',
    title: 'targetPort is a name that no container port has',
    ask: `shop/web ${fromClient}`,
    seed: () => why.put('web', web(ports({ targetPort: 'web' }))),
    mend: () => why.put('web', web()),
  },
  {
    cause: 'local-policy-no-local-pod',
    title: 'internalTrafficPolicy Local, and the pod is on another node',
    ask: `10.96.0.20:80 ${fromClient}`,
    seed: async () => {
      await why.put('web', web({ internalTrafficPolicy: 'Local' }))
      await why.put('web-a', webPod({ nodeName: 'node-b' }))
    },
    mend: async () => {
      await why.put('web', web())
      await why.put('web-a', webPod())
    },
  },
  {
    cause: 'source-range-refuses',
    title: 'the load balancer lets somebody else through',
    ask: `203.0.113.9:80 ${fromClient}`,
    seed: () =>
      why.put(
        'web',
        service(
          'web',
          '10.96.0.20',
          { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] },
          [{ ip: '203.0.113.9' }],
        ),
      ),
    mend: () =>
      why.put(
        'web',
        service('web', '10.96.0.20', { type: 'LoadBalancer' }, [{ ip: '203.0.113.9' }]),
      ),
  },
  {
    cause: 'node-port-address-not-selected',
    title: 'the node port is asked for on an address that nodePortAddresses leaves out',
    ask: `${net.nodeIp4}:30080 --from ${net.outsideIp4}`,
    seed: () => why.put('web', web({ type: 'NodePort', ...ports({ nodePort: 30_080 }) })),
    mend: async () => {},
    askMended: `${net.bridgeIp4}:30080 --from ${net.outsideIp4}`,
  },
  {
    cause: 'stale-conntrack',
    title: 'a UDP flow goes to a pod that is gone',
    ask: `10.96.0.30:80 ${fromClient}`,
    seed: async () => {
      await why.put('udp', service('udp', '10.96.0.30', ports({ protocol: 'UDP' })))
      await why.hasCause(`10.96.0.30:80 ${fromClient}`, undefined)
      const flow = `-I -p udp -s ${client.ip4} -d 10.96.0.30 --sport 5000 --dport 80 -r 10.244.1.77 -q ${client.ip4} --reply-port-src 8080 --reply-port-dst 5000 -t 60`
      await net.node.exec('conntrack', flow.split(' '))
    },
    mend: () => net.node.exec('conntrack', ['-D', '-p', 'udp', '-d', '10.96.0.30']),
  },
  {
    cause: 'route-missing',
    title: 'the client pod lost its default route',
    ask: `shop/web ${fromClient}`,
    seed: () => client.namespace.ip('route del default'),
    mend: () => client.namespace.ip(`route add default via ${net.bridgeIp4}`),
  },
  {
    cause: 'route-missing',
    title: 'the node lost the route to its own pods',
    ask: `10.96.0.20:80 ${fromClient}`,
    seed: () => nodeIp('route del 10.244.1.0/24 dev br0'),
    mend: () => nodeIp(`route add 10.244.1.0/24 dev br0 src ${net.bridgeIp4}`),
  },
  {
    cause: 'route-missing',
    title: 'the node lost the route to the pods of another node',
    ask: `10.96.0.32:80 ${fromClient} --config ${node.path('routes.yaml')}`,
    seed: async () => {
      const proxy = { config: 'kube-proxy.yaml' }
      await node.write(
        'routes.yaml',
        JSON.stringify({ nodeName: 'node-a', dns: false, proxy, routes: {} }),
      )
      await why.put('node-b', {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: 'node-b' },
        spec: { podCIDR: '10.244.2.0/24', podCIDRs: ['10.244.2.0/24'] },
      })
      await why.put(
        'far',
        service('far', '10.96.0.32', { selector: { app: 'far' } }),
        pod('far', { labels: { app: 'far' }, ip: '10.244.2.2', nodeName: 'node-b' }),
      )
    },
    mend: () => nodeIp(`route add 10.244.2.0/24 via ${net.outsideIp4}`),
  },
  {
    cause: 'mtu-wrong',
    title: "the host's end of the pod's pair takes less than the pod sends",
    ask: `shop/web ${fromClient}`,
    seed: () => nodeIp('link set veth0 mtu 1400'),
    mend: () => nodeIp('link set veth0 mtu 1500'),
  },
  {
    cause: 'hairpin-off',
    title: 'a pod asks its own Service',
    ask: 'shop/web --from shop/web-a',
    seed: async () => {
      await sysctl('net.bridge.bridge-nf-call-iptables=1')
      await hairpin('off')
    },
    mend: async () => {
      await hairpin('on')
      await sysctl('net.bridge.bridge-nf-call-iptables=0')
    },
  },
  {
    cause: 'pod-not-listening',
    title: 'the program in the pod does not run',
    ask: `shop/deaf ${fromClient}`,
    seed: () => why.put('deaf', service('deaf', '10.96.0.31', { selector: { app: 'client' } })),
    mend: () => serve(client.namespace, 'late', [8080]),
  },
  {
    cause: 'name-in-other-namespace',
    title: 'a pod of another namespace asks for the bare name',
    ask: 'web --from other/guest',
    seed: () => why.put('guest', pod('guest', { namespace: 'other', ip: client.ip4 })),
    mend: async () => {},
    askMended: 'web.shop --from other/guest',
  },
  {
    cause: 'ndots-search-miss',
    title: 'a pod with ndots:1 asks for a name with a dot',
    ask: 'web.shop --from other/guest',
    seed: () =>
      why.put(
        'guest',
        pod('guest', {
          namespace: 'other',
          ip: client.ip4,
          dnsConfig: { options: [{ name: 'ndots', value: '1' }] },
        }),
      ),
    mend: async () => {},
    askMended: 'web.shop.svc.cluster.local --from other/guest',
  },
  {
    cause: 'headless-none-ready',
    title: 'the only pod of a headless Service is not ready',
    ask: `db ${fromClient}`,
    seed: async () => {
      await why.put('db', service('db', 'None'))
      await why.put('web-a', webPod({ ready: false }))
    },
    mend: () => why.put('web-a', webPod()),
  },
  {
    cause: 'host-network-cluster-first',
    title: 'a pod on the host network asks the resolver of the node',
    ask: 'web.shop --from shop/host',
    seed: () => why.put('host', pod('host', { hostNetwork: true, ip: net.nodeIp4 })),
    mend: () =>
      why.put(
        'host',
        pod('host', { hostNetwork: true, ip: net.nodeIp4, dnsPolicy: 'ClusterFirstWithHostNet' }),
      ),
  },
  {
    cause: 'address-range-leaked',
    title: 'a pod waits for an address, and a lease without a pod has the last one',
    ask: 'shop/web --from shop/waiting',
    seed: async () => {
      await why.put('waiting', pod('waiting', { phase: 'Pending', ready: false }))
      await mkdir(node.path('net.d'))
      await mkdir(node.path('leases/tiny'), { recursive: true })
      await writeFile(node.path('net.d/10-tiny.conflist'), JSON.stringify(tinyNetwork))
      await writeFile(node.path('leases/tiny/10.244.9.2'), 'gone\r\neth0')
    },
    mend: () => node.net.node.exec('rm', [node.path('leases/tiny/10.244.9.2')]),
  },
  {
    cause: 'rule-missing',
    title: 'the proxy has gone, and somebody removed its rules',
    ask: `10.96.0.20:80 ${fromClient}`,
    seed: async () => {
      await why.killAgent()
      await net.node.exec('nft', ['flush', 'ruleset'])
    },
    mend: () => why.startAgent(),
  },
]

const tinyNetwork = {
  cniVersion: '1.0.0',
  name: 'tiny',
  plugins: [
    {
      type: 'bridge',
      ipam: { type: 'host-local', dataDir: node.path('leases'), subnet: '10.244.9.0/30' },
    },
  ],
}

async function startUpstream(): Promise<void> {
  await node.write('Upstream', '.:53 .:5300 {\n hosts {\n 203.0.113.80 example.test\n }\n}\n')
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  net.outside.spawn(process.execPath, [main, 'dns', '--conf', node.path('Upstream')], {
    stdio: 'ignore',
  })
}

t.test('nothing is wrong to begin with', async t => {
  const { walk, findings } = await why.hasCause(`web:80 ${fromClient}`, undefined)
  t.strictSame(findings, [])
  t.strictSame(
    walk.map(({ step, state }) => `${step} ${state}`),
    ['view', 'client', 'name', 'address', 'rule', 'endpoint', 'route', 'pod'].map(
      step => `${step} OK`,
    ),
  )
  t.equal(await node.connect('10.96.0.20'), `web ${client.ip4}`)
  const counted = await why.hasCause(`web:80 ${fromClient}`, undefined)
  t.match(
    counted.walk.find(({ step }) => step === 'rule')?.lines[0],
    /all rules are there; 1 connection, [1-9]/,
  )
})

for (const { cause, title, ask, seed, mend, askMended = ask } of faults) {
  t.test(`${cause}: ${title}`, async t => {
    await seed()
    const { findings } = await why.hasCause(ask, cause)
    t.equal(findings[0]?.cause, cause)
    const { exitCode, stdout } = await why.ask(ask)
    t.equal(exitCode, 1)
    t.match(stdout.split('\n', 1)[0], new RegExp(`^CAUSE: .* \\[${cause}\\]$`))
    await mend()
    await why.hasCause(askMended, undefined)
  })
}

t.test('api-server-stale: the API server does not answer', async t => {
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    users: [{ name: 'u', user: { token: 'x' } }],
    'current-context': 'c',
  }
  await node.write('kubeconfig', JSON.stringify(kubeconfig))
  const source = `--kubeconfig ${node.path('kubeconfig')}`
  const { findings } = await why.hasCause('shop/web', 'api-server-stale', source)
  t.match(findings[0]?.message, /127\.0\.0\.1:1/)
})

t.test('asked of the agent: the same answer', async t => {
  const { walk } = await why.hasCause('shop/web', undefined, '--socket /run/nodeplane/agent.sock')
  t.match(walk[0]?.lines[0], /manifests: live$/)
})

t.test('as a process of its own: the cause on the first line, exit code 1', async t => {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  const words = [
    'why',
    '10.96.0.20:81',
    '--config',
    node.config,
    '--socket',
    '/run/nodeplane/agent.sock',
  ]
  const failure = await net.node.exec(process.execPath, [main, ...words]).catch(error => error)
  t.match(failure, {
    exitCode: 1,
    stdout: /^CAUSE: Service shop\/web has no port 81; .*\[no-such-port\]\n/,
  })
})
