import { LineCounter, parseAllDocuments } from 'yaml'
import { objectFromApi } from '#cluster/from-api.ts'
import type { Pod } from '#cluster/objects.ts'
import { ConvertError } from '#cluster/raw.ts'
import { parsePath, placeOf, syntaxProblem } from '#runtime/config-file.ts'
import { ConfigError, type ConfigProblem } from '#runtime/error.ts'

/** A pod and where its fields stand. */
export type LocatedPod = {
  readonly pod: Pod
  /** The file, line and column of a field of the pod, as far as known. */
  readonly locate: (field: string) => Pick<ConfigProblem, 'file' | 'line' | 'column'>
}

/** A pod that was found in a file but not read yet: the others in the file need not be good. */
type Candidate = { readonly raw: unknown } & Pick<LocatedPod, 'locate'>

/**
 * The pod of a YAML or JSON file: the only one, or the one called `name` (`NAMESPACE/NAME`, or a name in `default`).
 * The file may hold several documents and lists; objects that are not pods are passed over.
 * @throws {ConfigError} bad syntax, no such pod, several and no name, or fields of a wrong type.
 */
export function podFromFile(text: string, file: string, name: string | undefined): LocatedPod {
  const candidates = podsIn(text, file)
  const { raw, locate } = choose(candidates, file, name)
  return { pod: convert(raw, locate), locate }
}

function podsIn(text: string, file: string): readonly Candidate[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines })
  const faults = documents.flatMap(({ errors }) => errors)
  if (faults.length > 0) throw new ConfigError(faults.map(fault => syntaxProblem(fault, file)))
  return documents.flatMap(document => {
    const candidate = (value: unknown, prefix: readonly PropertyKey[]): Candidate => ({
      raw: value,
      locate: field => ({ file, ...placeOf(document, lines, [...prefix, ...parsePath(field)]) }),
    })
    const root: unknown = document.toJS()
    const items = isObject(root) && Array.isArray(root['items']) ? root['items'] : undefined
    // `kubectl get -o yaml` gives a List.
    return items === undefined
      ? [root].filter(isPod).map(value => candidate(value, []))
      : items.flatMap((item, index) => (isPod(item) ? [candidate(item, ['items', index])] : []))
  })
}

function choose(
  candidates: readonly Candidate[],
  file: string,
  name: string | undefined,
): Candidate {
  const found =
    name === undefined
      ? candidates
      : candidates.filter(({ raw }) => keyOfRaw(raw) === keyFromName(name))
  const [first, second] = found
  if (first !== undefined && second === undefined) return first
  const list = candidates.map(({ raw }) => keyOfRaw(raw)).join(', ')
  const message =
    candidates.length === 0
      ? 'holds no Pod'
      : name === undefined
        ? `holds ${candidates.length} pods; name one of ${list} after the options`
        : `holds ${found.length} pods called ${keyFromName(name)}, only ${list}`
  throw new ConfigError([{ file, message }])
}

function convert(raw: unknown, locate: LocatedPod['locate']): Pod {
  try {
    return objectFromApi('Pod', raw)
  } catch (error) {
    if (!(error instanceof ConvertError)) throw error
    throw new ConfigError([{ ...locate(error.field), message: error.message }], { cause: error })
  }
}

/** `web` is `default/web`, as for kubectl. */
export const keyFromName = (name: string): string => (name.includes('/') ? name : `default/${name}`)

/** For messages and comparison only: what is no string is read as absent here and refused when the pod is converted. */
function keyOfRaw(raw: unknown): string {
  const metadata = isObject(raw) && isObject(raw['metadata']) ? raw['metadata'] : {}
  const { namespace, name } = metadata
  const part = (value: unknown, absent: string) => (typeof value === 'string' ? value : absent)
  return `${part(namespace, 'default')}/${part(name, '')}`
}

const isPod = (value: unknown): boolean => isObject(value) && value['kind'] === 'Pod'

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null
