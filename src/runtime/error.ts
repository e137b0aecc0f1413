/** The root of every error that nodeplane raises on purpose; `code` is stable, the message is for people. */
export abstract class NodeplaneError extends Error {
  abstract readonly code: `ERR_${string}`
  override get name(): string {
    return this.constructor.name
  }
}

/** One thing wrong in a configuration, where it stands, and how to mend it. */
export type ConfigProblem = {
  /** The file as the user named it, or undefined for a flag. */
  readonly file?: string | undefined
  /** 1-based. */
  readonly line?: number | undefined
  /** 1-based. */
  readonly column?: number | undefined
  /** The field (`ipvs.scheduler`, `--cluster-cidr`) or directive. */
  readonly field?: string | undefined
  /** What is wrong, with the offending value and what would be right. */
  readonly message: string
}

/** `file:line:column: field: message`, leaving out what is unknown. */
export function formatProblem({ file, line, column, field, message }: ConfigProblem): string {
  const place = [file, line, column].filter(part => part !== undefined).join(':')
  return [place, field, message].filter(part => part !== undefined && part !== '').join(': ')
}

/** A configuration or command line that cannot be used. All its problems are shown together; the exit code is 2. */
export class ConfigError extends NodeplaneError {
  readonly code = 'ERR_CONFIG'
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    super(problems.map(formatProblem).join('\n'), options)
    this.problems = problems
  }
}

/** The text of anything that was thrown, with the texts of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${describeError(error.cause)}`
  return `${error.message}${cause}`
}

/** Did this error come from a signal that was aborted? */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')

/** The `code` of a system error (`ENOENT` …), or undefined. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
