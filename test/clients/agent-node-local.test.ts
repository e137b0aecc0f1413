import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { MAIN } from '../helper/build.ts'
import { dig } from '../helper/dig.ts'
import { eventually } from '../helper/eventually.ts'
import type { TestNamespace } from '../helper/namespace.ts'

const CLUSTER_DNS = ['10.96.0.10', 'fd00:96::10'] as const
const LINK_LOCAL = '169.254.20.10'
const NAME = 'web.shop.svc.cluster.local'
/** What this node's agent and what the pod behind the Service say of that name. */
const LOCAL = '10.96.0.20'
const REMOTE = '192.0.2.99'

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
const { config, client, net } = node
await node.addService('web', LOCAL)
await node.write('manifests/kube-dns.yaml', kubeDns({ ip4: net.outsideIp4, ip6: net.outsideIp6 }))
await node.configure({
  nodeName: 'node-a',
  cluster: { manifests: 'manifests' },
  proxy: { config: 'kube-proxy.yaml' },
  dns: {
    corefile: 'Corefile',
    nodeLocal: { addresses: [...CLUSTER_DNS, LINK_LOCAL] },
    podsPolicy: { clusterDNS: [...CLUSTER_DNS], clusterDomain: 'cluster.local', resolvConf: '' },
  },
})
await startRemote(net.outside)

/** Who answers a query from there: the node's agent, the server behind the Service, or what dig says. */
async function answererOf(from: TestNamespace, address: string, words = '+notcp'): Promise<string> {
  const run: typeof node.net.node.exec = (...call) => from.exec(...call)
  const dug = await dig(`@${address} +time=1 ${words} ${NAME}`, run).catch(() => undefined)
  if (dug === undefined) return 'nobody'
  const { answers, status } = dug
  const data = answers[0]?.split(' ').at(-1)
  return data === LOCAL ? 'agent' : data === REMOTE ? 'service' : status
}

/** From a pod and from the node itself, to each family; and over TCP. */
const ways = [
  ...[client.namespace, net.node].flatMap(from =>
    CLUSTER_DNS.map(address => ({ from, address, words: '+notcp' })),
  ),
  { from: client.namespace, address: CLUSTER_DNS[0], words: '+tcp' },
]
const answerers = () =>
  Promise.all(ways.map(({ from, address, words }) => answererOf(from, address, words)))
const all = (answerer: string): readonly string[] => ways.map(() => answerer)

const caught = () =>
  eventually('queries to be caught', async () => {
    return (await answererOf(client.namespace, CLUSTER_DNS[0])) === 'agent'
  })

const leftovers = async () => {
  const { stdout: tables } = await node.net.node.exec('nft', ['list', 'tables'])
  const addresses = await node.net.node.ip('-brief address show dev lo')
  return [
    ...(tables.match(/nodeplane-dns[a-z-]*/g) ?? []),
    ...(addresses.match(/10\.96\.0\.10|fd00:96::10|169\.254\.20\.10/g) ?? []),
  ]
}

t.test('queries to the cluster DNS address stay on the node, untracked', async t => {
  await using agent = await AgentProcess.start(node.net.node, { config })
  await caught()
  await node.net.node.exec('conntrack', ['-F'])
  t.strictSame(await answerers(), all('agent'))
  t.equal(await answererOf(client.namespace, LINK_LOCAL), 'agent')
  t.equal(await answererOf(node.net.node, LINK_LOCAL, '+tcp'), 'agent')
  const { stdout: tracked } = await node.net.node.exec('conntrack', ['-L'])
  t.notMatch(tracked, /dport=53 /)
  await t.rejects(
    node.net.node.exec('nft', ['delete', 'table', 'ip', 'nodeplane-dns']),
    /Operation not permitted/,
  )

  agent.kill('SIGTERM')
  t.equal(await agent.exit(), 0)
  t.strictSame(await leftovers(), [])
  t.strictSame(await answerers(), all('service'))
})

t.test('addresses and rules that somebody takes away are back, and told of once', async t => {
  await using agent = await AgentProcess.start(node.net.node, { config })
  await caught()
  const incidents = async () => {
    const { stdout } = await node.net.node.exec('curl', [
      '-s',
      'http://127.0.0.1:9155/api/v1/incidents',
    ])
    return JSON.parse(stdout) as { part: string; message: string; healedMs?: number }[]
  }
  t.strictSame(await incidents(), [])
  await node.net.node.ip('address delete 10.96.0.10/32 dev lo')
  await eventually('the address to be back', async () =>
    (await node.net.node.ip('-brief address show dev lo')).includes('10.96.0.10'),
  )
  t.strictSame(await answerers(), all('agent'))
  await node.net.node.exec('nft', ['flush', 'ruleset'])
  await eventually(
    'what remembers the addresses to be back',
    async () => (await leftovers()).filter(name => name === 'nodeplane-dns-addresses').length === 2,
  )
  await eventually('the Services to be back', async () => (await node.rules()).includes('vips'))
  t.strictSame(await answerers(), all('agent'))
  const told = await eventually('all to be put right', async () => {
    const list = await incidents()
    return list.length >= 4 && list.every(({ healedMs }) => healedMs !== undefined)
      ? list
      : undefined
  })
  t.match(told.map(({ part, message }) => `${part}: ${message}`).sort(), [
    'dns: 1 node-local addresses were taken away',
    /^dns: \d node-local addresses were taken away$/,
    /^proxy: nft \(pid \d+\)/,
    /^proxy: nft \(pid \d+\)/,
  ])
  t.match((await agent.get('/metrics')).body, /^nodeplane_incidents_total\{part="proxy"\} 2$/m)
})

t.test('killed: the Service answers at once, and the next start takes over', async t => {
  await using agent = await AgentProcess.start(node.net.node, { config })
  await caught()
  agent.kill('SIGKILL')
  await agent.exit()
  t.strictSame(await answerers(), all('service'), 'the very next query')
  t.match(await leftovers(), ['nodeplane-dns-addresses', 'nodeplane-dns-addresses'])

  await using second = await AgentProcess.start(node.net.node, { config })
  await caught()
  t.strictSame(await answerers(), all('agent'))
  t.strictSame(
    second.loggedFrom(40).filter(({ msg }) => msg.includes('node-local')),
    [],
  )
  second.kill('SIGKILL')
  await second.exit()
})

t.test('agent --cleanup removes what a killed agent left', async t => {
  t.not((await leftovers()).length, 0)
  await node.net.node.exec(process.execPath, [MAIN, 'agent', '--cleanup'])
  t.strictSame(await leftovers(), [])
})

t.test(
  'without anyone behind the Service the node answers, by the policy of the pod that asks',
  async t => {
    await node.write('manifests/kube-dns.yaml', kubeDns(undefined))
    await node.write(
      'manifests/pod.yaml',
      `apiVersion: v1
kind: Pod
metadata: { name: client, namespace: bank }
spec: { nodeName: node-a, containers: [{ name: c, image: c }] }
status: { phase: Running, podIPs: [{ ip: ${client.ip4} }] }
`,
    )
    await using _agent = await AgentProcess.start(node.net.node, { config })
    await caught()
    t.strictSame(await answerers(), all('agent'))

    const words = `@${CLUSTER_DNS[0]} web.shop.bank.svc.cluster.local`
    const { answers } = await eventually('the pod to be known', async () => {
      const dug = await dig(words, (...call) => client.namespace.exec(...call))
      return dug.status === 'NOERROR' && dug
    })
    t.match(answers, [/bank\.svc\.cluster\.local\. 30 CNAME web\.shop\.svc/, / A 10\.96\.0\.20$/])
    const other = await dig(words, (...call) => node.net.node.exec(...call))
    t.equal(other.status, 'NXDOMAIN', 'for the node itself it is a plain name')
  },
)

/** The cluster's DNS Service, with the pod that answers for it. */
function kubeDns(pod: { readonly ip4: string; readonly ip6: string } | undefined): string {
  const slice = (family: 4 | 6) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: kube-dns-${family}, namespace: kube-system, labels: { kubernetes.io/service-name: kube-dns } }
addressType: IPv${family}
ports: [{ name: dns, protocol: UDP, port: 53 }, { name: dns-tcp, protocol: TCP, port: 53 }]
endpoints: [${pod === undefined ? '' : `{ addresses: ["${family === 4 ? pod.ip4 : pod.ip6}"] }`}]
`
  return `apiVersion: v1
kind: Service
metadata: { name: kube-dns, namespace: kube-system }
spec:
  clusterIP: ${CLUSTER_DNS[0]}
  clusterIPs: ["${CLUSTER_DNS.join('", "')}"]
  ipFamilies: [IPv4, IPv6]
  ports:
    - { name: dns, protocol: UDP, port: 53 }
    - { name: dns-tcp, protocol: TCP, port: 53 }
${slice(4)}${slice(6)}`
}

/** A DNS server on another machine, as the cluster's other nodes have them. */
async function startRemote(namespace: TestNamespace): Promise<void> {
  const file = node.path('Corefile.remote')
  await writeFile(file, `.:53 {\n hosts {\n ${REMOTE} ${NAME}\n }\n}\n`)
  namespace.spawn(process.execPath, [MAIN, 'dns', '--conf', file], { stdio: 'ignore' })
  await eventually('the remote server', async () => {
    return (await answererOf(namespace, '127.0.0.1')) === 'service'
  })
}
