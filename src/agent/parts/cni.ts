import { rmSync, writeFileSync } from 'node:fs'
import type { Swept } from '#cni/journal/sweep.ts'
import type { AttachedPods } from '#cni/pods/attached-pods.ts'
import { runCniService } from '#cni/service.ts'
import type { CniServing, KnownAttachment } from '#cni/serving.ts'
import type { KubeletDns } from '#dns/policy/kubelet-dns.ts'
import type { DifferenceView } from '../view/types.ts'
import type { AgentContext, AgentPart } from './part.ts'

export type CniPartConfig = {
  readonly socket: string
  readonly stateDir: string
  readonly journalDir: string
  /** undefined: a pod's result has the DNS settings of its network's configuration. */
  readonly podDns: KubeletDns | undefined
  /** Do calls wait while no agent is there, because one is sure to come? */
  readonly callsWait: boolean
}

/** Pods get wired. */
export class CniPart implements AgentPart {
  readonly name = 'cni'
  readonly wanted = {}
  readonly #config: CniPartConfig
  readonly #context: AgentContext
  readonly #whyNodeNotReady: () => string | undefined
  #serving: CniServing | undefined

  /** @param whyNodeNotReady what the other parts still lack: STATUS answers it. */
  constructor(
    config: CniPartConfig,
    context: AgentContext,
    whyNodeNotReady: () => string | undefined,
  ) {
    this.#config = config
    this.#context = context
    this.#whyNodeNotReady = whyNodeNotReady
  }

  /** The pods that this node's CNI calls have made known; undefined before they can. */
  get pods(): AttachedPods | undefined {
    return this.#serving?.pods
  }

  /** What the journal has; empty before calls are served. */
  get attachments(): readonly KnownAttachment[] {
    return this.#serving?.attachments() ?? []
  }

  /** Ends attachments whose containers have gone; undefined before calls are served. */
  async collect(network: string | undefined, signal: AbortSignal): Promise<Swept | undefined> {
    return this.#serving?.collect(network, signal)
  }

  /** What plugins made for live attachments and the kernel has not. */
  async differences(signal: AbortSignal): Promise<readonly DifferenceView[]> {
    const lost = (await this.#serving?.lost(signal)) ?? []
    return lost.map(({ plugin, entry: { network, containerId, ifname } }) => ({
      place: `${plugin} of network ${network}`,
      wanted: `what ADD made for ${ifname} of container ${containerId}`,
    }))
  }

  whyNot(): string | undefined {
    return this.#serving === undefined ? 'not serving calls yet' : undefined
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodeName, cluster, metrics, incidents } = this.#context
    const { podDns, callsWait, ...config } = this.#config
    const log = this.#context.log.child({ component: 'cni' })
    const pods = podDns && (await cluster.podsOf(nodeName))
    await runCniService(
      {
        ...config,
        whyNotReady: this.#whyNodeNotReady,
        dnsOf: pod => podDns && pods?.dnsOf(pod, podDns),
        onServing: serving => {
          this.#serving = serving
          markManaged(config.socket, callsWait)
        },
        onLoss: incidents.lossesOf('cni'),
        metrics,
        log,
      },
      signal,
    )
  }
}

/** Stays when the agent stops; a reboot, `nodeplane cleanup` and a call that waited in vain remove it. src/cni/shim/nodeplane-cni.c looks for it. */
export const managedMark = (socket: string): string => `${socket}.managed`

function markManaged(socket: string, callsWait: boolean): void {
  const path = managedMark(socket)
  if (callsWait) writeFileSync(path, '', { mode: 0o600 })
  else rmSync(path, { force: true })
}
