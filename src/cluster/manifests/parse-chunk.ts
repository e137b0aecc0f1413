import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { type ConfigProblem, describeError, formatProblem, NodeplaneError } from '#runtime/error.ts'
import type { Chunk } from './yaml-documents.ts'

/** How often anchors of one document may be used: more of them can multiply into gigabytes. */
const MAX_ALIASES = 100

/** A file of manifests that cannot be used, with the first thing that is wrong with it. */
export class ManifestError extends NodeplaneError {
  readonly code = 'ERR_MANIFEST'
  readonly problem: ConfigProblem
  constructor(problem: ConfigProblem, options?: ErrorOptions) {
    super(formatProblem(problem), options)
    this.problem = problem
  }
}

/** Part of a file, and how it is written. */
export type Source = { readonly file: string; readonly isJson: boolean; readonly chunk: Chunk }

/** As kubectl reads YAML: `<<` merges, and no key may stand twice. */
const yamlOptions = { merge: true, prettyErrors: false, logLevel: 'silent' } as const

/**
 * The value of a chunk: a document, or an item of a list.
 * @throws {ManifestError} it is not well-formed.
 */
export function parseChunk(source: Source): unknown {
  const value = source.isJson ? parseJson(source) : parseYaml(source)
  return source.chunk.list?.isSequence ? (value as readonly unknown[])[0] : value
}

/** A place in a file, 1-based. */
export type Place = { readonly line: number; readonly column?: number | undefined }

/** Where the value at this path (`spec`, `ports`, 0 …) stands; for a missing one, where its nearest parent does. */
export function placeOf({ chunk }: Source, path: readonly (string | number)[]): Place {
  const lineCounter = new LineCounter()
  // JSON is YAML.
  const { contents } = parseDocument(chunk.text, { ...yamlOptions, lineCounter })
  let node: unknown = contents
  let offset = contents?.range[0] ?? 0
  for (const step of chunk.list?.isSequence ? [0, ...path] : path) {
    const pair = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && key.value === step)
      : undefined
    node = isSeq(node) ? node.items[Number(step)] : pair?.value
    const found = pair?.key ?? node
    if (!isNode(found) || !found.range) break
    offset = found.range[0]
  }
  const { line, col } = lineCounter.linePos(offset)
  return { line: chunk.line + line - 1, column: col }
}

function parseYaml({ file, chunk }: Source): unknown {
  const lineCounter = new LineCounter()
  try {
    const document = parseDocument(chunk.text, { ...yamlOptions, lineCounter })
    const [error] = document.errors
    if (error === undefined) return document.toJS({ maxAliasCount: MAX_ALIASES })
    const { line, col } = lineCounter.linePos(error.pos[0])
    const problem = { file, line: chunk.line + line - 1, column: col, message: error.message }
    throw new ManifestError(problem)
  } catch (error) {
    if (error instanceof ManifestError) throw error
    // Aliases that multiply; or nothing but brackets, for which the parser's stack is too small.
    const message = error instanceof RangeError ? 'nested too deeply' : describeError(error)
    throw new ManifestError({ file, line: chunk.line, message }, { cause: error })
  }
}

function parseJson({ file, chunk }: Source): unknown {
  try {
    return JSON.parse(chunk.text)
  } catch (error) {
    const text = describeError(error)
    // V8 tells the place of most errors in the message, and shows the text in others.
    const [position, line, column] =
      / in JSON at position \d+ \(line (\d+) column (\d+)\)/.exec(text) ?? []
    const message = text.replace(position ?? /, "[^]*" is not valid JSON$/, '')
    const place =
      position === undefined
        ? { line: chunk.line }
        : { line: chunk.line + Number(line) - 1, column: Number(column) }
    throw new ManifestError({ file, ...place, message }, { cause: error })
  }
}
