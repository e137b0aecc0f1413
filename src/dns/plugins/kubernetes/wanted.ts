import type { Kind } from '#cluster/objects.ts'
import type { Wanted } from '#cluster/source.ts'
import type { KubernetesOptions } from './options.ts'

/** Pods that have ended have no names. */
const LIVE_PODS = 'status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown'

/** The objects that the options need, as they are asked for. */
export function wantedBy(options: KubernetesOptions): Wanted {
  const { endpoints, pods, labels, namespaceLabels, multicluster } = options
  const labelSelector = labels?.text
  return {
    Service: { labelSelector },
    Namespace: { labelSelector: namespaceLabels?.text },
    ...(endpoints ? { EndpointSlice: { labelSelector } } : {}),
    ...(multicluster.length > 0 ? { ServiceImport: {} } : {}),
    ...(pods === 'verified' ? { Pod: { labelSelector, fieldSelector: LIVE_PODS } } : {}),
  }
}

/** Their kinds. */
export const kindsOf = (options: KubernetesOptions): readonly Kind[] =>
  Object.keys(wantedBy(options)) as Kind[]
