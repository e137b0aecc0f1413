import { type IpAddress, isLoopback, parseIp } from '#net/ip.ts'
import { type Attachment, attachmentOf } from '../attachment.ts'
import { parseCniArgs } from '../spec/cni-args.ts'
import { configObjectFrom, objectField, stringField, stringsField } from '../spec/config-object.ts'
import type { AttachmentRequest } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'

/** Which pod it is, as its runtime says in CNI_ARGS. */
export type PodName = {
  readonly namespace: string
  readonly name: string
  /** Empty where the runtime does not say it. */
  readonly uid: string
}

/** An interface of a container that an ADD has made. */
export type PodAttachment = Attachment & {
  /** The path by which the runtime named the container's namespace. */
  readonly netns: string
  /** undefined for a container that is no pod. */
  readonly pod: PodName | undefined
  /** In the order of the result. */
  readonly addresses: readonly IpAddress[]
  /** The host's end of the veth pair, where the result names one. */
  readonly hostInterface: string | undefined
  /** The plugin whose ADD made it known, and whose DEL ends it; others of the chain only add to it. */
  readonly plugin: string
}

/** The attachment that an ADD has made; undefined when nobody can reach it by an address, as with loopback. */
export function attachmentFrom(
  plugin: string,
  request: AttachmentRequest,
  { ips, interfaces }: CniResult,
): PodAttachment | undefined {
  const addresses = ips.map(({ address }) => address.address).filter(ip => !isLoopback(ip))
  if (addresses.length === 0) return undefined
  return {
    ...attachmentOf(request),
    netns: request.netns,
    pod: podNameFrom(request.args),
    addresses,
    // A bridge stands before the pair's end (bridge plugin), so the last one is it.
    hostInterface: interfaces.findLast(({ sandbox = '' }) => sandbox === '')?.name,
    plugin,
  }
}

/** The pod that CNI_ARGS names (K8S_POD_NAMESPACE and K8S_POD_NAME, as Kubernetes runtimes and Podman send). */
export function podNameFrom(cniArgs: string): PodName | undefined {
  let values: ReadonlyMap<string, string>
  try {
    values = parseCniArgs(`IgnoreUnknown=1;${cniArgs}`, [])
  } catch {
    // Plugins that define no keys pass the variable over, whatever it holds.
    return undefined
  }
  const [namespace, name] = [values.get('K8S_POD_NAMESPACE'), values.get('K8S_POD_NAME')]
  if (namespace === undefined || name === undefined) return undefined
  return { namespace, name, uid: values.get('K8S_POD_UID') ?? '' }
}

/** An attachment read back from its JSON. @throws {CniError} it is none. */
export function parseAttachment(text: string): PodAttachment {
  const object = configObjectFrom(JSON.parse(text), 'attachment')
  const pod = objectField(object, 'pod')
  const field = (key: string) => stringField(object, key) ?? ''
  return {
    network: field('network'),
    containerId: field('containerId'),
    ifname: field('ifname'),
    netns: field('netns'),
    pod: pod && {
      namespace: stringField(pod, 'namespace') ?? '',
      name: stringField(pod, 'name') ?? '',
      uid: stringField(pod, 'uid') ?? '',
    },
    addresses: stringsField(object, 'addresses').flatMap(text => parseIp(text) ?? []),
    hostInterface: stringField(object, 'hostInterface'),
    plugin: field('plugin'),
  }
}
