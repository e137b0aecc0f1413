import { objectFromApi } from '../from-api.ts'
import {
  type EndpointSlice,
  type Kind,
  keyOf,
  type Labels,
  type ObjectOf,
  type Pod,
} from '../objects.ts'
import { ConvertError, Raw } from '../raw.ts'
import { type Filters, labelsOf } from '../selection.ts'
import { mirrorEndpoints } from './endpoints-mirror.ts'

/** An object of a file. */
export type ManifestObject = {
  /** `namespace/name`, or the name alone. */
  readonly key: string
  readonly file: string
  /** Where its document begins, 1-based. */
  readonly line: number
  readonly content: ManifestContent
}

/** What is kept of an object. */
export type ContentOf<K extends ManifestKind> = K extends Kind ? KindContent<K> : EndpointsContent
export type ManifestContent = { [K in ManifestKind]: ContentOf<K> }[ManifestKind]

type KindContent<K extends Kind> = {
  readonly kind: K
  readonly object: ObjectOf[K]
  /** Does the consumer want it? Others are kept because something is derived from them. */
  readonly isSelected: boolean
  /** Of a Service: those of its labels that the selection of EndpointSlices looks at. */
  readonly sliceLabels?: Labels | undefined
}

/** v1 Endpoints, as the wanted ones of the slices that they become. */
type EndpointsContent = {
  readonly kind: 'Endpoints'
  readonly namespace: string
  readonly slices: readonly EndpointSlice[]
}

/** The kinds that are read. */
export type ManifestKind = Kind | 'Endpoints'

const versionOf = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Endpoints: 'v1',
  Node: 'v1',
  Namespace: 'v1',
  Pod: 'v1',
  ServiceCIDR: 'networking.k8s.io/v1',
  ServiceImport: 'multicluster.x-k8s.io/v1alpha1',
} as const satisfies { readonly [K in ManifestKind]: string }

/** Is this a kind that is read? All others may be there and are passed over. */
export const isManifestKind = (kind: string): kind is ManifestKind => Object.hasOwn(versionOf, kind)

/** An object as the file has it, and where it stands. */
export type RawManifest = {
  readonly kind: ManifestKind
  readonly apiVersion: string
  readonly value: unknown
  readonly file: string
  readonly line: number
}

/**
 * Converts one object; gives undefined for what nobody wants and for kinds of the same name in other API groups.
 * @throws {ConvertError} a field is wrong.
 */
export function manifestObjectFrom(
  { kind, apiVersion, value, file, line }: RawManifest,
  filters: Filters,
): ManifestObject | undefined {
  if (apiVersion !== versionOf[kind] || !isNeeded(kind, filters)) return undefined
  const raw = new Raw(kind === 'Namespace' ? withNameLabel(new Raw(value)) : value)
  checkNames(kind, raw.get('metadata'))
  if (kind === 'Endpoints') {
    const namespace = raw.get('metadata').get('namespace').string() || 'default'
    const key = `${namespace}/${raw.get('metadata').get('name').string()}`
    const slices = mirrorEndpoints(raw, filters.EndpointSlice)
    return { key, file, line, content: { kind, namespace, slices } }
  }
  const object = kind === 'Pod' ? podFrom(raw) : objectFromApi(kind, raw.value)
  const isSelected = filters[kind]?.matches(raw) ?? false
  const sliceLabels =
    kind === 'Service' ? pickLabels(raw, filters.EndpointSlice?.labelNames) : undefined
  const content = { kind, object, isSelected, sliceLabels } as ManifestContent
  return { key: keyOf(object), file, line, content }
}

/** Kinds that no EndpointSlice comes from. */
const withoutSlices: ReadonlySet<ManifestKind> = new Set([
  'Namespace',
  'ServiceCIDR',
  'ServiceImport',
])

/** Kinds that are not wanted are read when wanted EndpointSlices come from them. */
function isNeeded(kind: ManifestKind, filters: Filters): boolean {
  if (kind !== 'Endpoints' && filters[kind] !== undefined) return true
  return filters.EndpointSlice !== undefined && !withoutSlices.has(kind)
}

/**
 * A Pod whose status has no conditions at all but an address counts as ready: such a status was written by hand.
 * With any condition the Ready condition decides, as for the EndpointSlice controller.
 */
function podFrom(raw: Raw): Pod {
  const pod = objectFromApi('Pod', raw.value)
  const isByHand = raw.get('status').get('conditions').isAbsent && pod.podIPs.length > 0
  return isByHand ? { ...pod, ready: true } : pod
}

/** The API server labels every Namespace with its name. */
function withNameLabel(raw: Raw): unknown {
  const metadata = raw.get('metadata')
  const labels = { ...labelsOf(raw), 'kubernetes.io/metadata.name': metadata.get('name').string() }
  return { ...(raw.value as object), metadata: { ...(metadata.value as object), labels } }
}

/** Of the labels of an object those with these names; undefined when there are none. */
function pickLabels(raw: Raw, names: readonly string[] = []): Labels | undefined {
  if (names.length === 0) return undefined
  const labels = Object.entries(labelsOf(raw)).filter(([name]) => names.includes(name))
  return labels.length === 0 ? undefined : Object.fromEntries(labels)
}

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** Names become DNS names and rules, so they are held to what the API server accepts (RFC 1123 names). */
function checkNames(kind: ManifestKind, metadata: Raw): void {
  const name = metadata.get('name')
  const isLabel = kind === 'Service' || kind === 'Namespace' || kind === 'ServiceImport'
  if (!(isLabel ? LABEL : SUBDOMAIN).test(name.requiredString())) {
    const shape = isLabel ? 'a DNS label (up to 63 of a-z, 0-9 and -)' : 'a DNS subdomain'
    throw new ConvertError(name.path, `${JSON.stringify(name.string())} is not ${shape}`)
  }
  const namespace = metadata.get('namespace')
  if (namespace.string() !== '' && !LABEL.test(namespace.string())) {
    throw new ConvertError(
      namespace.path,
      `${JSON.stringify(namespace.string())} is not a DNS label (up to 63 of a-z, 0-9 and -)`,
    )
  }
}
