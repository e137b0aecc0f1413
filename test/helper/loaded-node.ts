import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentNode, corefile } from './agent-node.ts'
import { AgentProcess } from './agent-process.ts'
import { reachApiServer, setEndpoints, setService, startApiCluster } from './api-cluster.ts'
import type { TestApiServer } from './api-server.ts'
import { cniEnv } from './cni.ts'
import { bridgeConfig } from './cni-network.ts'
import { answerOf } from './cni-program.ts'
import { dig } from './dig.ts'
import { eventually } from './eventually.ts'
import { TestNamespace } from './namespace.ts'
import { startClients, startEcho } from './steady-clients.ts'
import { type ClientPlan, type ClientReport, type OperationReport, Tally } from './steady-report.ts'

const CLUSTER_DNS = '10.96.0.10'
const ECHO = { host: '10.96.0.7', port: 7 }
const ECHO_PORT = 7007
const NAME = 'web.shop.svc.cluster.local'
/** What this node's agent says of that name, and the server behind the Service of the cluster's DNS. */
const LOCAL = '10.96.0.20'
const REMOTE = '192.0.2.99'
/** A container runtime gives up later than this. */
const CNI_DEADLINE_MS = 60_000

export type NodeReport = Omit<ClientReport, 'answeredBy'> & {
  readonly cni: OperationReport
  /** Answers to DNS queries that came from this node's agent, and from the Service's. */
  readonly answers: { readonly agent: number; readonly service: number }
}

/** A node with all parts of an agent, as it is shipped, and clients that use all of them. */
export class LoadedNode implements AsyncDisposable {
  readonly node: AgentNode
  readonly #dist: string
  readonly #pod: TestNamespace
  readonly #stack: AsyncDisposableStack
  /** What the node reads its objects from; a disruption may replace it. */
  api: TestApiServer

  private constructor(
    node: AgentNode,
    rest: { dist: string; pod: TestNamespace; api: TestApiServer; stack: AsyncDisposableStack },
  ) {
    this.node = node
    this.#dist = rest.dist
    this.#pod = rest.pod
    this.api = rest.api
    this.#stack = rest.stack
  }

  /** @param dist a build. @param folder the caller's, empty. */
  static async create(dist: string, folder: string): Promise<LoadedNode> {
    await using stack = new AsyncDisposableStack()
    const node = stack.use(await AgentNode.create(folder, { manifests: 'manifests' }))
    const pod = stack.use(await TestNamespace.create('new-pod'))
    await reachApiServer(node.net.node)
    const api = await startApiCluster()
    await startEcho(node.server.namespace, ECHO_PORT)
    await startRemoteDns(node, dist)
    const loaded = new LoadedNode(node, { dist, pod, api, stack: stack.move() })
    loaded.#fillCluster()
    await loaded.#configure()
    return loaded
  }

  /** Starts an agent; {@link AgentProcess.ready} tells when it is ready. */
  spawnAgent(): AgentProcess {
    const program = [join(this.#dist, 'nodeplane')]
    return AgentProcess.spawn(this.node.net.node, { config: this.node.config, program })
  }

  /** Starts everything at once; stopping it gives what was seen. */
  async startLoad(
    plan: Pick<ClientPlan, 'perSecond' | 'deadlineMs' | 'established'> & {
      readonly dns: Pick<ClientPlan['dns'], 'tries' | 'timeoutMs'>
    },
  ): Promise<{ stop(): Promise<NodeReport> }> {
    const dns = { address: CLUSTER_DNS, name: NAME, ...plan.dns }
    const clients = await startClients(this.node.client.namespace, { ...plan, echo: ECHO, dns })
    const stop = new AbortController()
    const calling = this.#callPlugin(stop.signal)
    return {
      stop: async () => {
        stop.abort()
        const [{ answeredBy, ...seen }, cni] = await Promise.all([clients.stop(), calling])
        const answers = { agent: answeredBy[LOCAL] ?? 0, service: answeredBy[REMOTE] ?? 0 }
        return { ...seen, cni, answers }
      },
    }
  }

  /** Queries to the cluster DNS address are answered by this node's agent. */
  async isCaught(): Promise<boolean> {
    const { namespace } = this.node.client
    const dug = await dig(`@${CLUSTER_DNS} +time=1 ${NAME}`, (...call) => namespace.exec(...call))
    return dug.answers.some(answer => answer.endsWith(` ${LOCAL}`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]()
    await this.#stack.disposeAsync()
    // Else the plugin calls of other tests would wait for an agent.
    await rm('/run/nodeplane/cni.sock.managed', { force: true })
  }

  #fillCluster(): void {
    const { api, node } = this
    setService(api, 'web', LOCAL)
    setEndpoints(api, 'web', [node.server.ip4])
    setPorts(api, { namespace: 'shop', name: 'echo', ip: ECHO.host, pod: node.server.ip4 }, [
      { port: ECHO.port, target: ECHO_PORT },
    ])
    const dns = { namespace: 'kube-system', name: 'kube-dns', ip: CLUSTER_DNS }
    setPorts(api, { ...dns, pod: node.net.outsideIp4 }, [{ port: 53, target: 53 }])
  }

  async #configure(): Promise<void> {
    const { node, api } = this
    await node.write('Corefile', corefile('reload 2s'))
    await node.configure({
      nodeName: 'node-a',
      cluster: { kubeconfig: await api.writeKubeconfig() },
      proxy: { config: 'kube-proxy.yaml' },
      dns: { corefile: 'Corefile', nodeLocal: { addresses: [CLUSTER_DNS] } },
      cni: {
        journalDir: node.path('journal'),
        install: {
          binDir: node.path('bin'),
          confDir: node.path('net.d'),
          conflist: { name: 'pods', plugins: [{ type: 'bridge' }] },
        },
      },
    })
  }

  /** Adds and deletes one pod's interface, once a second. */
  async #callPlugin(stop: AbortSignal): Promise<OperationReport> {
    const tally = new Tally()
    while (!stop.aborted) {
      await tally.measure(() => this.#call('ADD'))
      await tally.measure(() => this.#call('DEL'))
      await sleep(1000, undefined, { signal: stop }).catch(() => undefined)
    }
    return tally.report()
  }

  async #call(verb: 'ADD' | 'DEL'): Promise<string | undefined> {
    const bin = join(this.#dist, 'cni')
    const env = cniEnv({
      PATH: process.env['PATH'],
      CNI_COMMAND: verb,
      CNI_NETNS: this.#pod.path,
      CNI_PATH: bin,
    })
    const child = this.node.net.node.spawn(join(bin, 'bridge'), [], {
      env,
      stdio: 'pipe',
      timeout: CNI_DEADLINE_MS,
    })
    child.stdin?.end(JSON.stringify(bridgeConfig(this.node.path('leases'), { bridge: 'cni9' })))
    const { exitCode, stdout } = await answerOf(child as Parameters<typeof answerOf>[0])
    return exitCode === 0 ? undefined : `${verb}: ${stdout.trim() || 'no answer in time'}`
  }
}

type Place = {
  readonly namespace: string
  readonly name: string
  readonly ip: string
  readonly pod: string
}

/** A Service of TCP and UDP with one endpoint. */
function setPorts(
  api: TestApiServer,
  { namespace, name, ip, pod }: Place,
  ports: readonly { readonly port: number; readonly target: number }[],
): void {
  const each = ports.flatMap(port =>
    (['TCP', 'UDP'] as const).map(protocol => ({
      ...port,
      protocol,
      name: `${protocol}-${port.port}`.toLowerCase(),
    })),
  )
  api.set('Service', {
    metadata: { name, namespace },
    spec: {
      type: 'ClusterIP',
      clusterIP: ip,
      clusterIPs: [ip],
      ipFamilies: ['IPv4'],
      ports: each.map(({ target, ...port }) => ({ ...port, targetPort: target })),
    },
  })
  api.set('EndpointSlice', {
    metadata: {
      name: `${name}-x`,
      namespace,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    ports: each.map(({ name, target, protocol }) => ({ name, port: target, protocol })),
    endpoints: [{ addresses: [pod], conditions: { ready: true } }],
  })
}

/** A DNS server on another machine, as the cluster's other nodes have them. */
async function startRemoteDns(node: AgentNode, dist: string): Promise<void> {
  const { outside } = node.net
  const file = node.path('Corefile.remote')
  await writeFile(file, `.:53 {\n hosts {\n ${REMOTE} ${NAME}\n }\n}\n`)
  outside.spawn(join(dist, 'nodeplane'), ['dns', '--conf', file], { stdio: 'ignore' })
  await eventually('the remote server', async () => {
    const words = `@127.0.0.1 +time=1 ${NAME}`
    const { answers } = await dig(words, (...call) => outside.exec(...call))
    return answers.length > 0
  })
}
