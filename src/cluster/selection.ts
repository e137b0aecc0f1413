import type { Kind, Labels } from './objects.ts'
import type { Raw } from './raw.ts'
import {
  parseFieldSelector,
  parseLabelSelector,
  type Requirement,
  SelectorError,
  selectorMatches,
} from './selector.ts'
import type { Selection, Wanted } from './source.ts'

/** What a field has in objects that do not say it: the API server's defaults. */
type FieldTable = Readonly<Record<string, string>>

const metadataFields: FieldTable = { 'metadata.name': '', 'metadata.namespace': 'default' }

/** The fields that the API server lets select by (those of its conversion functions that tell something here). */
const selectableFields: { readonly [K in Kind]: FieldTable } = {
  Service: { ...metadataFields, 'spec.clusterIP': '', 'spec.type': 'ClusterIP' },
  EndpointSlice: metadataFields,
  Node: { 'metadata.name': '', 'spec.unschedulable': 'false' },
  Namespace: { 'metadata.name': '', 'status.phase': 'Active' },
  Pod: {
    ...metadataFields,
    'spec.nodeName': '',
    'spec.restartPolicy': 'Always',
    'spec.schedulerName': 'default-scheduler',
    'spec.serviceAccountName': 'default',
    'spec.hostNetwork': 'false',
    'status.phase': 'Pending',
    'status.podIP': '',
    'status.nominatedNodeName': '',
  },
  ServiceCIDR: { 'metadata.name': '' },
  ServiceImport: metadataFields,
}

/** Says of objects of one kind whether a selection takes them, as the API server would. */
export type ObjectFilter = {
  /** `raw` is the whole object, before anything was cut from it. @throws {ConvertError} its labels are no labels */
  readonly matches: (raw: Raw) => boolean
  /** The labels that the selection looks at. */
  readonly labelNames: readonly string[]
}

/** The filters of the kinds that are wanted. */
export type Filters = { readonly [K in Kind]?: ObjectFilter }

/**
 * Compiles the selections of a source.
 * @throws {SelectorError} a selector is malformed, or names a field that the API cannot select by.
 */
export function compileWanted(wanted: Wanted): Filters {
  const kinds = Object.keys(wanted) as Kind[]
  return Object.fromEntries(
    kinds
      .filter(kind => wanted[kind] !== undefined)
      .map(kind => [kind, compileSelection(kind, wanted[kind] ?? {})]),
  )
}

function compileSelection(kind: Kind, { labelSelector, fieldSelector }: Selection): ObjectFilter {
  const labels = parseLabelSelector(labelSelector ?? '')
  const fields = parseFieldSelector(fieldSelector ?? '')
  const table = selectableFields[kind]
  for (const { key } of fields) {
    if (Object.hasOwn(table, key)) continue
    const known = Object.keys(table).join(', ')
    throw new SelectorError(fieldSelector ?? '', `${kind} has no field ${key}; known are ${known}`)
  }
  return {
    matches: raw =>
      (labels.length === 0 || selectorMatches(labels, labelsOf(raw))) &&
      (fields.length === 0 || selectorMatches(fields, fieldsOf(raw, fields, table))),
    labelNames: labels.map(({ key }) => key),
  }
}

/** All labels of an object. @throws {ConvertError} */
export const labelsOf = (raw: Raw): Labels => raw.get('metadata').get('labels').stringMap() ?? {}

function fieldsOf(raw: Raw, fields: readonly Requirement[], table: FieldTable): Labels {
  return Object.fromEntries(
    fields.map(({ key }) => {
      const value = key.split('.').reduce((parent, name) => parent.get(name), raw)
      const absent = table[key] ?? ''
      const isFlag = absent === 'false'
      return [key, isFlag ? String(value.boolean()) : value.string() || absent]
    }),
  )
}
