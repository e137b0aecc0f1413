import { systemClock } from '#runtime/clock.ts'
import type { Logger } from '#runtime/log.ts'
import type { LossSink } from '#runtime/loss.ts'
import type { Metrics } from '#runtime/metrics.ts'
import { version } from '#runtime/version.ts'
import { type Attachment, attachmentOf } from './attachment.ts'
import { takeCare } from './caretaker.ts'
import { Journal } from './journal/journal.ts'
import { loadPlugin, pluginNames } from './plugins.ts'
import { AttachedPods } from './pods/attached-pods.ts'
import { attachmentFrom, type PodName, podNameFrom } from './pods/pod-attachment.ts'
import { createCallHandler } from './server/answer-call.ts'
import { createCallMetrics } from './server/metrics.ts'
import { startCniServer } from './server/server.ts'
import { CniServing } from './serving.ts'
import type { CallWatcher } from './spec/call.ts'
import type { CniDns } from './spec/result.ts'

export type CniServiceOptions = {
  /** Path of the socket that the plugin executables ask. */
  readonly socket: string
  /** The folder that keeps what is known of pods: one that a reboot empties, as it removes the pods' namespaces. */
  readonly stateDir: string
  /** The folder that keeps what ADDs have begun: one that outlives a reboot, as IPAM's stores do. */
  readonly journalDir: string
  /** What STATUS answers; undefined when the node is ready for pods. */
  readonly whyNotReady: () => string | undefined
  /** The DNS settings of a pod by its dnsPolicy; undefined for a pod that is not known. */
  readonly dnsOf: (pod: PodName) => CniDns | undefined
  /** The socket takes calls, and this is what they make known. */
  readonly onServing: (serving: CniServing) => void
  /** Told of what live attachments have lost. */
  readonly onLoss?: LossSink | undefined
  readonly metrics: Metrics
  readonly log: Logger
}

/**
 * Does the calls of the node's plugin executables until `stop` is aborted.
 * @throws {ConfigError} the socket's path cannot be used; {CniServerError} another agent serves it.
 */
export async function runCniService(options: CniServiceOptions, stop: AbortSignal): Promise<void> {
  const { socket, stateDir, journalDir, log, metrics } = options
  // The first pod must not wait for code to be loaded.
  const plugins = await Promise.all(pluginNames.map(loadPlugin))
  const warn = (fields: object, message: string) => log.warn(fields, message)
  const pods = AttachedPods.open(stateDir, warn)
  const journal = Journal.open(journalDir, warn)
  const clock = systemClock
  const callMetrics = createCallMetrics(metrics, () => pods.size)
  const calls = createCallHandler({
    version,
    loadPlugin,
    watcher: createWatcher(pods, journal, options),
    metrics: callMetrics,
    clock,
  })
  await using _server = await startCniServer({ socket, answer: calls.answer, clock, log }, stop)
  options.onServing(new CniServing({ pods, journal, plugins, calls }))
  log.info({ socket, pods: pods.size }, 'serving CNI calls')
  const onReclaimed = (count: number) => callMetrics.reclaimed(count)
  const { onLoss } = options
  await takeCare({ journal, calls, plugins, onReclaimed, onLoss, clock, log }, stop)
}

/** Keeps the register of pods and the journal, and gives the result of a known pod the DNS settings of its dnsPolicy. */
export const createWatcher = (
  pods: AttachedPods,
  journal: Journal,
  { whyNotReady, dnsOf }: Pick<CniServiceOptions, 'whyNotReady' | 'dnsOf'>,
): CallWatcher => ({
  whyNotReady,
  adding: (plugin, request) => journal.begin(plugin, request),
  added(plugin, request, result) {
    const attachment = attachmentFrom(plugin, request, result)
    if (attachment !== undefined) pods.add(attachment)
    const pod = podNameFrom(request.args)
    const dns = pod && dnsOf(pod)
    const answer = dns === undefined ? result : { ...result, dns }
    journal.added(plugin, request, answer)
    return answer
  },
  deleted(plugin, request) {
    pods.remove(plugin, attachmentOf(request))
    journal.deleted(plugin, attachmentOf(request))
  },
  collected(plugin, { config, validAttachments }) {
    if (validAttachments === undefined) return
    const valid = new Set(
      validAttachments.map(({ containerId, ifname }) => `${containerId}/${ifname}`),
    )
    const isValid = ({ containerId, ifname }: Attachment) => valid.has(`${containerId}/${ifname}`)
    pods.keepOnly(config.name, isValid)
    journal.collected(plugin, config.name, isValid)
  },
})
