import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { checkNetwork } from '#cni/check/check-network.ts'
import { checkCorefile } from '#dns/check/check.ts'
import { placeProblem } from '#dns/check/place.ts'
import { configFromFile } from '#proxy/config/load.ts'
import { parsePath, placeOf } from '#runtime/config-file.ts'
import { ConfigError, type ConfigProblem, describeError } from '#runtime/error.ts'
import { type AgentConfig, parseAgentConfig } from '../config.ts'
import { type ConfigKind, configKinds, kindNames, recognise } from './recognise.ts'

export type FileFindings = {
  readonly file: string
  /** undefined: it is not known what the file is meant to be. */
  readonly kind: ConfigKind | undefined
  /** nodeplane would refuse to start with these. */
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
}

export type CheckConfigOptions = {
  /** undefined: the content tells. */
  readonly kind: ConfigKind | undefined
  /** For `{$NAME}` in a Corefile. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * What is wrong with a configuration file, and with those that it names; nothing is started and no cluster is asked. Problems
 * have file, line and column wherever the fault has a place.
 */
export async function checkConfigFile(
  file: string,
  options: CheckConfigOptions,
): Promise<readonly FileFindings[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const message = `cannot be read: ${describeError(cause)}`
    return [{ file, kind: undefined, problems: [{ file, message }], warnings: [] }]
  }
  const kind = options.kind ?? recognise(text)
  if (kind === undefined) {
    const kinds = configKinds.map(name => kindNames[name]).join(', ')
    const message = `is none of ${kinds}, as far as its content tells; --as says what it is`
    return [{ file, kind, problems: [{ file, line: 1, column: 1, message }], warnings: [] }]
  }
  const { named, ...found } = await checkers[kind](text, file, options)
  const others = (named ?? []).map(({ path, kind }) => checkConfigFile(path, { ...options, kind }))
  return [{ file, kind, ...found }, ...(await Promise.all(others)).flat()]
}

type Checked = Pick<FileFindings, 'problems' | 'warnings'> & {
  /** Files that this one names. */
  readonly named?: readonly { readonly path: string; readonly kind: ConfigKind }[] | undefined
}

const checkers: Readonly<
  Record<ConfigKind, (text: string, file: string, options: CheckConfigOptions) => Promise<Checked>>
> = {
  corefile: async (text, file, { env }) => {
    const source = { text, file }
    const found = await checkCorefile({ source, env, interfaces: networkInterfaces() })
    const textOf = (path: string) => (path === file ? text : undefined)
    const place = (problem: ConfigProblem): ConfigProblem => {
      const { sourceLine: _, ...placed } = placeProblem(problem, textOf)
      return placed
    }
    return { problems: found.problems.map(place), warnings: found.warnings.map(place) }
  },
  'kube-proxy': async (text, file) => {
    const { value, problems } = attempt(() => configFromFile(text, file))
    const place = placer(text)
    return { problems, warnings: (value?.warnings ?? []).map(place) }
  },
  cni: async (text, file) => checkNetwork(text, file),
  agent: async (text, file) => {
    const { value, problems } = attempt(() => parseAgentConfig(text, resolve(file)))
    const ownName = (problem: ConfigProblem) => ({ ...problem, file })
    return { problems: problems.map(ownName), warnings: [], named: value && filesOf(value) }
  },
}

function attempt<T>(read: () => T): {
  readonly value?: T
  readonly problems: readonly ConfigProblem[]
} {
  try {
    return { value: read(), problems: [] }
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems }
    throw error
  }
}

function placer(text: string): (problem: ConfigProblem) => ConfigProblem {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  return problem => ({ ...placeOf(document, lines, parsePath(problem.field ?? '')), ...problem })
}

const filesOf = ({ dns, proxy }: AgentConfig): Checked['named'] => [
  ...(dns === false ? [] : [{ path: dns.corefile, kind: 'corefile' as const }]),
  ...(proxy === false || proxy.config === undefined || !isAbsolute(proxy.config)
    ? []
    : [{ path: proxy.config, kind: 'kube-proxy' as const }]),
]
