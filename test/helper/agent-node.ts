import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type Dug, dig } from './dig.ts'
import { Topology } from './topology.ts'
import { ask, serve } from './traffic.ts'

/** Names of the cluster, and what a test adds. Port 53 is free: the node is a namespace of its own. */
export const corefile = (more = ''): string => `.:53 {
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    ttl 30
  }
  prometheus 127.0.0.1:9153
  ${more}
}
`

/** A Service and its endpoints, as manifests. */
export const serviceManifest = (
  name: string,
  { clusterIP, pod, port = 8080 }: { clusterIP: string; pod: string; port?: number },
): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: ${clusterIP}, clusterIPs: [${clusterIP}], ports: [{ port: 80, targetPort: ${port} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-x, namespace: shop, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ port: ${port} }]
endpoints: [{ addresses: [${pod}] }]
`

/** A node with two pods, one that serves port 8080 and one that asks, and the files of an agent for it. */
export class AgentNode implements AsyncDisposable {
  readonly net: Topology
  readonly folder: string

  private constructor(net: Topology, folder: string) {
    this.net = net
    this.folder = folder
  }

  /** `cluster` replaces the manifests as source of objects. `folder` is the caller's, empty. */
  static async create(folder: string, cluster?: object): Promise<AgentNode> {
    const node = new AgentNode(await Topology.create(2), folder)
    await serve(node.server.namespace, 'web', [8080])
    await mkdir(join(folder, 'manifests'))
    await node.write('Corefile', corefile())
    await node.write('kube-proxy.yaml', KUBE_PROXY)
    await node.configure({
      nodeName: 'node-a',
      cluster: cluster ?? { manifests: 'manifests' },
      proxy: { config: 'kube-proxy.yaml' },
      dns: { corefile: 'Corefile' },
    })
    return node
  }

  get server(): Topology['pods'][number] {
    return this.net.pods[0] as Topology['pods'][number]
  }

  get client(): Topology['pods'][number] {
    return this.net.pods[1] as Topology['pods'][number]
  }

  get config(): string {
    return this.path('agent.yaml')
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Nothing is written outside the folder unless the configuration says so. */
  async configure(config: object): Promise<void> {
    const snapshot = { file: this.path('snapshot/cluster') }
    await this.write('agent.yaml', stringify({ snapshot, ...config }))
  }

  /** Puts a file into the folder at once, as editors and configuration managers do. */
  async write(name: string, text: string): Promise<void> {
    const draft = this.path('.draft')
    await writeFile(draft, text)
    await rename(draft, this.path(name))
  }

  /** Writes a Service with the serving pod as its endpoint. */
  async addService(name: string, clusterIP: string, port?: number): Promise<void> {
    const pod = this.server.ip4
    const text = serviceManifest(name, { clusterIP, pod, ...(port === undefined ? {} : { port }) })
    await this.write(`manifests/${name}.yaml`, text)
  }

  /** Asks the node's DNS server from the client's pod. */
  dig(words: string): Promise<Dug> {
    const { namespace } = this.client
    return dig(`@${this.net.bridgeIp4} ${words}`, (...call) => namespace.exec(...call))
  }

  /** The address that `NAME.shop` has in DNS, or what else is answered. */
  async addressOf(name: string): Promise<string> {
    const { status, answers } = await this.dig(`${name}.shop.svc.cluster.local`)
    return answers[0]?.split(' ').at(-1) ?? status
  }

  /** What a TCP connection from the client's pod gives: `web ADDRESS`, or an error's code. */
  async connect(host: string, port = 80): Promise<string> {
    const [outcome = ''] = await ask(this.client.namespace, { protocol: 'tcp', host, port })
    return outcome
  }

  /** All rules with their handles, as JSON: equal only if nothing was made anew. */
  async rules(): Promise<string> {
    return (await this.net.node.exec('nft', ['-j', '-a', '-s', 'list', 'ruleset'])).stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]()
  }
}

const KUBE_PROXY = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: 10.244.0.0/16,fd00:244::/32
`
