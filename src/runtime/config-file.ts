import {
  type Document,
  type DocumentOptions,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
  type YAMLError,
} from 'yaml'
import type { core, ZodType } from 'zod'
import { ConfigError, type ConfigProblem } from './error.ts'

/** A configuration that was read, and what in it was not understood. */
export type ParsedConfig<T> = {
  readonly value: T
  /** Fields that the schema does not know, each with its place. The caller warns about them or refuses them. */
  readonly unknownFields: readonly ConfigProblem[]
}

/** A way to read and write YAML. */
export type YamlDialect = DocumentOptions & SchemaOptions

/**
 * YAML 1.1 as Kubernetes' components read it (sigs.k8s.io/yaml): `yes` and `off` are booleans, `010` is eight, and `<<` merges. But
 * `10:30` is no number of seconds and `2026-01-02` no date: both are text.
 */
export const kubernetesYaml: YamlDialect = {
  version: '1.1',
  customTags: tags => [...tags.filter(tag => typeof tag === 'string' || !isTime(tag)), octal],
}

const isTime = ({ tag, ...rest }: { readonly tag: string; readonly format?: string }): boolean =>
  rest.format === 'TIME' || tag === 'tag:yaml.org,2002:timestamp'

/** Of YAML 1.2, which Go reads too. */
const octal: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^0o[0-7]+$/,
  resolve: text => Number(text),
}

/**
 * Reads YAML (JSON is YAML) by a schema. Objects of the schema should be strict (`z.strictObject`), so that unknown
 * fields are found.
 * @param file name for messages.
 * @param dialect YAML 1.2 when not given.
 * @throws {ConfigError} something else than unknown fields is wrong: every problem, each with line, column and path.
 */
export function parseConfig<T>(
  schema: ZodType<T>,
  text: string,
  file: string,
  dialect: YamlDialect = {},
): ParsedConfig<T> {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...dialect, lineCounter: lines, uniqueKeys: true })
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map(error => syntaxProblem(error, file)))
  }
  return checkDocument(schema, document, lines, file)
}

function checkDocument<T>(
  schema: ZodType<T>,
  document: Document.Parsed,
  lines: LineCounter,
  file: string,
): ParsedConfig<T> {
  const value: unknown = document.toJS() ?? {}
  const at = (path: readonly PropertyKey[], message: string): ConfigProblem => ({
    file,
    ...placeOf(document, lines, path),
    field: formatPath(path),
    message,
  })
  const problems: ConfigProblem[] = []
  const unknownFields: ConfigProblem[] = []
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data, unknownFields }
  const issues = result.error.issues.flatMap(insideUnions)
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys')
      problems.push(at(issue.path, messageOf(issue, valueAt(value, issue.path))))
    else for (const key of issue.keys) unknownFields.push(at([...issue.path, key], 'unknown field'))
  }
  if (problems.length > 0) throw new ConfigError([...problems, ...unknownFields])
  // Only unknown fields were wrong: without them the rest must fit.
  const known = schema.safeParse(withoutPaths(value, issues))
  if (!known.success) {
    throw new ConfigError(
      known.error.issues
        .flatMap(insideUnions)
        .map(issue => at(issue.path, messageOf(issue, valueAt(value, issue.path)))),
    )
  }
  return { value: known.data, unknownFields }
}

/** Of a section that may also be `false`: what is wrong inside the section, when it is one. */
function insideUnions(issue: core.$ZodIssue): readonly core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const section = issue.errors.find(inner =>
    inner.some(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  if (section === undefined) return [issue]
  return section
    .map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }))
    .flatMap(insideUnions)
}

/** What the YAML parser refused, and where. */
export function syntaxProblem(error: YAMLError, file: string): ConfigProblem {
  const place = error.linePos?.[0]
  // The first line of the message says it; the rest is a drawing of the place.
  const message = (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
  return { file, line: place?.line, column: place?.col, message }
}

/** What is wrong; with the word itself where it is none of those allowed. */
function messageOf(issue: core.$ZodIssue, value: unknown): string {
  const message = issue.message.replace(/^Invalid (?:input|option): /, '')
  const why = message.charAt(0).toLowerCase() + message.slice(1)
  return issue.code === 'invalid_value' ? `${JSON.stringify(value)}: ${why}` : why
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((parent, part) => (parent as Record<PropertyKey, unknown>)?.[part], value)

/** The path that {@link formatPath} wrote. */
export const parsePath = (field: string): readonly PropertyKey[] =>
  [...field.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([word, index]) =>
    index === undefined ? word : Number(index),
  )

/** `ports[2].port`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map(part => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}

/** Where the key of a path stands; for a missing field, where its nearest ancestor stands. */
export function placeOf(
  document: Document.Parsed,
  lines: LineCounter,
  path: readonly PropertyKey[],
): Pick<ConfigProblem, 'line' | 'column'> {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true) ?? document.contents
    const last = path[length - 1]
    const node: unknown = isMap(parent)
      ? parent.items.find(item => isScalar(item.key) && item.key.value === last)?.key
      : document.getIn(path.slice(0, length), true)
    const offset = (node as { range?: readonly [number, number, number] | null } | undefined)
      ?.range?.[0]
    if (offset === undefined) continue
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  return {}
}

function withoutPaths(value: unknown, issues: readonly core.$ZodIssue[]): unknown {
  const copy = structuredClone(value)
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    let target = copy as Record<PropertyKey, unknown>
    for (const part of issue.path) target = target[part] as Record<PropertyKey, unknown>
    for (const key of issue.keys) delete target[key]
  }
  return copy
}
