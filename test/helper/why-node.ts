import { rm } from 'node:fs/promises'
import { stringify } from 'yaml'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import type { Report } from '../../src/agent/why/report.ts'
import { main } from '../../src/main.ts'
import { AgentNode, corefile } from './agent-node.ts'
import { AgentProcess } from './agent-process.ts'
import { recordIo } from './command-io.ts'
import { eventually } from './eventually.ts'

type Answer = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

/**
 * A node with an agent, and `nodeplane why` asked on it: this process is in the node's network namespace, so that asking costs
 * no process. Its pods are `shop/web-a` (serves 8080) and `shop/client`.
 */
export class WhyNode implements AsyncDisposable {
  readonly node: AgentNode
  #agent: AgentProcess | undefined
  readonly #own: NetworkNamespace

  private constructor(node: AgentNode, own: NetworkNamespace) {
    this.node = node
    this.#own = own
  }

  static async create(folder: string, mode = 'nftables'): Promise<WhyNode> {
    const node = await AgentNode.create(folder)
    await node.write('Corefile', corefile(`forward . ${node.net.outsideIp4}:5300`))
    await node.write('resolv.conf', `nameserver ${node.net.outsideIp4}\n`)
    await node.write('kube-proxy.yaml', kubeProxy(mode))
    const why = new WhyNode(node, NetworkNamespace.own())
    using namespace = NetworkNamespace.open(node.net.node.path)
    setns(namespace.fd, CLONE_NEWNET)
    return why
  }

  /** Writes objects as one file of manifests. */
  async put(name: string, ...objects: readonly object[]): Promise<void> {
    await this.node.write(
      `manifests/${name}.yaml`,
      objects.map(each => stringify(each)).join('---\n'),
    )
  }

  async remove(name: string): Promise<void> {
    await rm(this.node.path(`manifests/${name}.yaml`))
  }

  async startAgent(): Promise<void> {
    this.#agent = await AgentProcess.start(this.node.net.node, { config: this.node.config })
  }

  async killAgent(): Promise<void> {
    this.#agent?.kill('SIGKILL')
    await this.#agent?.exit()
  }

  /** `nodeplane why WORDS`, with the files of this node. */
  async ask(words: string, source = `--manifests ${this.node.path('manifests')}`): Promise<Answer> {
    const common = `--config ${this.node.config} --cluster-dns ${this.node.net.bridgeIp4} --resolv-conf ${this.node.path('resolv.conf')} --cni-conf-dir ${this.node.path('net.d')}`
    const io = recordIo()
    const exitCode = await main(['why', ...`${source} ${common} ${words}`.split(' ')], io)
    return { exitCode, ...io.written }
  }

  /** Asks until the cause is this one (undefined: nothing is wrong), since the agent follows manifests with a delay. */
  async hasCause(words: string, cause: string | undefined, source?: string): Promise<Report> {
    let last: Answer | undefined
    try {
      return await eventually(
        `${cause ?? 'nothing wrong'}: why ${words}`,
        async () => {
          last = await this.ask(`${words} -o json`, source)
          if (last.exitCode === 2) throw new Error(last.stderr)
          const report = JSON.parse(last.stdout) as Report
          const isIt = report.cause === cause && last.exitCode === (cause === undefined ? 0 : 1)
          return isIt && report
        },
        15_000,
      )
    } catch (error) {
      throw new Error(`last answer: ${last?.stdout}${last?.stderr}`, { cause: error })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]()
    setns(this.#own.fd, CLONE_NEWNET)
    this.#own[Symbol.dispose]()
    await this.node[Symbol.asyncDispose]()
  }
}

const kubeProxy = (mode: string): string => `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ${mode}
clusterCIDR: 10.244.0.0/16,fd00:244::/32
nodePortAddresses: [10.244.0.0/16]
`
