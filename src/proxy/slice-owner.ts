import { type EndpointSlice, keyOf, SERVICE_NAME_LABEL } from '#cluster/objects.ts'

/** Marks slices of headless Services (whatever its value): the API server leaves them out, manifests are not selected by it. */
const HEADLESS_LABEL = 'service.kubernetes.io/headless'

/** The key of the Service that a slice belongs to, or undefined when the slice is not the proxy's business. */
export function sliceOwner({ metadata }: EndpointSlice): string | undefined {
  const { labels, namespace } = metadata
  const name = labels[SERVICE_NAME_LABEL]
  if (!name || Object.hasOwn(labels, HEADLESS_LABEL)) return undefined
  return keyOf({ metadata: { name, namespace, labels } })
}
