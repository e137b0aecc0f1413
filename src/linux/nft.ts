import { NodeplaneError } from '#runtime/error.ts'
import { ExecError, type ExecOptions, exec, type OnStart } from './exec.ts'

/** Commands in nft's language. */
export type NftText = string | Iterable<string>

/** A text in one piece. */
export const wholeText = (text: NftText): string =>
  typeof text === 'string' ? text : Array.from(text).join('')

/** Writes nftables rules: each text is one transaction, applied wholly or not at all. */
export interface NftWriter extends Disposable {
  /** A long text may come in pieces, so that it need not exist whole. @throws {NftError} the kernel or nft refused; nothing of `text` was applied. */
  apply(text: NftText, signal: AbortSignal): Promise<void>
}

/** A transaction that was refused. */
export class NftError extends NodeplaneError {
  readonly code = 'ERR_NFT'
  /** The command that was refused (its beginning), when nft named one. */
  readonly line: string | undefined
  constructor(reason: string, line: string | undefined, options?: ErrorOptions) {
    super(`nft: ${reason}${line === undefined ? '' : `: ${line}`}`, options)
    this.line = line
  }
}

/** A refused command can hold hundreds of elements. */
const MAX_QUOTED_LENGTH = 300

export type NftRunOptions = {
  /** Gets the process id of each child before it has done anything. */
  readonly onStart?: OnStart | undefined
  /** A run that takes longer hangs, and is killed; {@link NFT_TIMEOUT_MS} when not given. */
  readonly timeoutMs?: number | undefined
}

/** A hundred thousand elements take some seconds. */
export const NFT_TIMEOUT_MS = 120_000

/** Writes each text by a run of `nft -f -`. */
export const createChildWriter = ({
  onStart,
  timeoutMs = NFT_TIMEOUT_MS,
}: NftRunOptions = {}): NftWriter => ({
  apply: (text, signal) => runNft(['-f', '-'], text, { signal, onStart, timeoutMs }),
  [Symbol.dispose]: () => {},
})

async function runNft(args: readonly string[], text: NftText, options: ExecOptions): Promise<void> {
  try {
    await exec('nft', args, { ...options, input: text })
  } catch (error) {
    if (!(error instanceof ExecError) || error.exitCode === undefined) throw error
    throw nftError(error.stderr, typeof text === 'string' ? text : '', { cause: error })
  }
}

/** `nft --check` of a small text takes milliseconds. */
const CHECK_TIMEOUT_MS = 10_000

/**
 * Asks nft and the kernel whether they take a text, in a transaction that is never committed; nobody is told of it.
 * @throws {NftError} they do not; its line is undefined when it is not the text that is wrong.
 * @throws {ExecError} nft could not be run to its end, so it is not known.
 */
export const checkNft = (
  text: string,
  signal: AbortSignal,
  timeoutMs = CHECK_TIMEOUT_MS,
): Promise<void> =>
  runNft(['--check', '-f', '-'], text, {
    signal,
    timeoutMs: Math.min(timeoutMs, CHECK_TIMEOUT_MS),
  })

/** One that nobody needs the process ids of. */
export const childWriter: NftWriter = createChildWriter()

/** The error that nft's messages about a text mean: the first one, with the command it is about if the text has it. */
export function nftError(messages: string, text: string, options?: ErrorOptions): NftError {
  const match = /^(?:[^:\n]*:([0-9]+):([0-9]+)-[0-9]+: )?Error: (.*)$/m.exec(messages)
  if (match === null) return new NftError(messages.trim() || 'no reason given', undefined, options)
  const [, line = '0', column = '1', reason = ''] = match
  const command = text.split('\n')[Number(line) - 1]
  return new NftError(reason, !command ? undefined : quote(command, Number(column)), options)
}

/** The command, or its head and what stands where the fault is. */
function quote(command: string, column: number): string {
  if (command.length <= MAX_QUOTED_LENGTH) return command
  const half = MAX_QUOTED_LENGTH / 2
  const start = Math.max(column - 1, half)
  return `${command.slice(0, half)} … ${command.slice(start, start + half)}`
}
