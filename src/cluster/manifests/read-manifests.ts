import { isUtf8 } from 'node:buffer'
import type { Pace } from '#runtime/pace.ts'
import { ConvertError, Raw } from '../raw.ts'
import type { Filters } from '../selection.ts'
import type { Sharing } from '../share.ts'
import { jsonDocuments } from './json-documents.ts'
import { isManifestKind, type ManifestObject, manifestObjectFrom } from './manifest-object.ts'
import { ManifestError, parseChunk, placeOf, type Source } from './parse-chunk.ts'
import { type Chunk, type ListHeader, yamlDocuments } from './yaml-documents.ts'

/** Objects in one file. */
const MAX_OBJECTS = 200_000
/** Lists in lists. */
const MAX_LIST_DEPTH = 3

/** A file, and what of it is wanted. */
export type ReadOptions = {
  /** Its name, for messages; the ending `.json` makes it JSON. */
  readonly file: string
  readonly bytes: Buffer
  readonly filters: Filters
  readonly pace: Pace
  readonly sharing: Sharing
  readonly signal: AbortSignal
}

/**
 * Reads all objects of a file that somebody needs, in their order, giving way to other work in between.
 * @throws {ManifestError} something in the file is wrong: then nothing of it is to be used.
 * @throws the reason of the signal, when that is aborted.
 */
export async function readManifests(options: ReadOptions): Promise<readonly ManifestObject[]> {
  const { file, bytes, pace, signal } = options
  if (!isUtf8(bytes)) throw new ManifestError({ file, message: 'is not UTF-8 text' })
  const isJson = file.endsWith('.json')
  const objects: ManifestObject[] = []
  const defaultsOf = rememberLast((list: ListHeader) => itemDefaults(list, isJson))
  for (const chunk of isJson ? jsonDocuments(bytes) : yamlDocuments(bytes)) {
    await pace.breathe()
    signal.throwIfAborted()
    if (chunk === undefined || (!isJson && isPassedOver(chunk))) continue
    const defaults = chunk.list === undefined ? noDefaults : defaultsOf(chunk.list)
    // Some other kind with a field `items`.
    if (defaults === undefined) continue
    const source = { file, isJson, chunk }
    visit({ ...options, source, objects }, { value: parseChunk(source), path: [], ...defaults })
    if (objects.length > MAX_OBJECTS) {
      const message = `more than ${MAX_OBJECTS} objects: split the file`
      throw new ManifestError({ file, line: chunk.line, message })
    }
  }
  return objects
}

/** The kind and version of objects that name none. */
type Defaults = { readonly kind: string; readonly apiVersion: string }
const noDefaults: Defaults = { kind: '', apiVersion: '' }

/** A value, and the path to it in its chunk. */
type Found = Defaults & { readonly value: unknown; readonly path: readonly (string | number)[] }

type Visit = ReadOptions & {
  readonly source: Source
  readonly objects: ManifestObject[]
}

/** Takes an object, or the items of a list. */
function visit(context: Visit, found: Found): void {
  const { source, filters, sharing, objects } = context
  const { value, path } = found
  // An empty document.
  if (value === null || value === undefined) return
  try {
    const raw = new Raw(value)
    const kind = raw.get('kind').string() || found.kind || raw.get('kind').requiredString()
    const apiVersion = raw.get('apiVersion').string() || found.apiVersion
    if (isList(kind) && path.length < 2 * MAX_LIST_DEPTH) {
      const defaults = defaultsOfList(kind, apiVersion)
      for (const [index, item] of raw.get('items').items().entries()) {
        visit(context, { value: item.value, path: [...path, 'items', index], ...defaults })
      }
    } else if (isManifestKind(kind)) {
      const place = { file: source.file, line: source.chunk.line }
      const object = manifestObjectFrom({ kind, apiVersion, value, ...place }, filters)
      if (object !== undefined) objects.push(sharing.share(object))
    }
  } catch (error) {
    if (!(error instanceof ConvertError)) throw error
    throw located(error, source, path)
  }
}

/** `v1` List, and the lists that the API answers with (`ServiceList`), whose items name no kind. */
const isList = (kind: string) => kind.endsWith('List')

const defaultsOfList = (kind: string, apiVersion: string): Defaults =>
  kind === 'List' ? noDefaults : { kind: kind.slice(0, -'List'.length), apiVersion }

/** What the items of a list that was cut up inherit; undefined when it is no list of objects. */
function itemDefaults({ text }: ListHeader, isJson: boolean): Defaults | undefined {
  const chunk = { text, line: 1 }
  const raw = new Raw(parseChunk({ file: '', isJson, chunk }))
  const kind = raw.get('kind').string()
  return isList(kind) ? defaultsOfList(kind, raw.get('apiVersion').string()) : undefined
}

/** Is this plainly a document of a kind that is not read? Parsing YAML is slow, and other kinds are often large. */
function isPassedOver({ text, list }: Chunk): boolean {
  if (list !== undefined) return false
  const [, kind] = /^kind:[ \t]+["']?([A-Za-z0-9]+)["']?[ \t]*(?:#.*)?\r?$/m.exec(text) ?? []
  return kind !== undefined && !isManifestKind(kind) && !isList(kind)
}

/** The error with its place in the file. */
function located(
  { field, message }: ConvertError,
  source: Source,
  path: Found['path'],
): ManifestError {
  const steps = [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([step, index]) =>
    index === undefined ? step : Number(index),
  )
  const place = placeOf(source, [...path, ...steps])
  const why = field === '' ? message : message.slice(field.length + 2)
  return new ManifestError({ file: source.file, ...place, field, message: why })
}

/** Computes once for a run of equal arguments. */
function rememberLast<A, R>(compute: (argument: A) => R): (argument: A) => R {
  let last: { readonly argument: A; readonly result: R } | undefined
  return argument => {
    if (last?.argument !== argument) last = { argument, result: compute(argument) }
    return last.result
  }
}
