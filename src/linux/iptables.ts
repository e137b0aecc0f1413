import type { IpFamily } from '#net/ip.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { Pace } from '#runtime/pace.ts'
import { ExecError, type ExecResult, exec, isProgramMissing, type OnStart } from './exec.ts'

/** The programs of iptables are missing, too old, or refused something. */
export class IptablesError extends NodeplaneError {
  readonly code = 'ERR_IPTABLES'
  /** The line of the input that was refused, when the program named one. */
  readonly line: string | undefined
  constructor(program: string, reason: string, line?: string, options?: ErrorOptions) {
    super(`${program}: ${reason}${line === undefined ? '' : `: ${line}`}`, options)
    this.line = line
  }
}

/** Rules in the kernel's nftables, or in its older x_tables. Both can be there, and work, at the same time. */
export type IptablesFlavour = 'nft' | 'legacy'

/** The iptables of one family and one flavour. */
export interface Iptables {
  readonly flavour: IptablesFlavour
  /** For example `1.8.9`. */
  readonly version: string
  /** Reads a chain that every kernel with NAT has. @throws {IptablesError} it cannot be read. */
  probe(signal: AbortSignal): Promise<void>
  /** What the kernel holds, as iptables-save prints it. @throws {IptablesError} */
  save(signal: AbortSignal): Promise<string>
  /**
   * Applies a text, given in pieces, without touching what it does not name. Each table is a transaction, one after the other.
   * @throws {IptablesError} it was refused; tables before the refused one are written.
   */
  restore(text: Iterable<string>, signal: AbortSignal): Promise<void>
  /** Is there this chain? undefined when the program cannot say. */
  hasChain(table: string, chain: string, signal: AbortSignal): Promise<boolean | undefined>
}

/** Seconds to wait for the lock that users of the legacy flavour share. */
const LOCK_WAIT_SECONDS = 30
/** Ten thousand Services take some seconds. */
const TIMEOUT_MS = 120_000
const QUICK_TIMEOUT_MS = 5_000
/** The first version whose restore waits for the lock and that knows `--random-fully`. */
const OLDEST = [1, 6, 2] as const
/** The exit status where some resource is short (include/xtables.h). */
const RESOURCE_PROBLEM = 4
const MAX_QUOTED_LENGTH = 300

/** How programs are called: `iptables`, or one of its flavours by name. */
const names = ['iptables', 'iptables-nft', 'iptables-legacy'] as const
type Name = (typeof names)[number]

export type IptablesRunOptions = {
  /** Gets the process id of each program that is to write, before it has done anything. */
  readonly onWrite?: OnStart | undefined
  /** A run that takes longer hangs, and is killed; two minutes when not given. */
  readonly timeoutMs?: number | undefined
}

/**
 * The iptables to write with: that in which the kubelet has left its hint (a chain in the mangle table, as the
 * Kubernetes images look for it), else the one that `iptables` in PATH is.
 * @throws {IptablesError} there is none, or it is too old.
 */
export async function openIptables(
  family: IpFamily,
  options: IptablesRunOptions = {},
): Promise<Iptables> {
  const all = await installedIptables(family, options)
  if (all.length > 1) {
    for (const iptables of all) if (await hasHint(iptables)) return iptables
  }
  return await open(family, 'iptables', options)
}

/** The iptables of each flavour that is installed; none is no error. */
export async function installedIptables(
  family: IpFamily,
  options: IptablesRunOptions = {},
): Promise<readonly Iptables[]> {
  const found = new Map<IptablesFlavour, Iptables>()
  for (const name of names) {
    try {
      const iptables = await open(family, name, options)
      if (!found.has(iptables.flavour)) found.set(iptables.flavour, iptables)
    } catch (error) {
      if (!(error instanceof IptablesError)) throw error
    }
  }
  return [...found.values()]
}

const HINTS = ['KUBE-IPTABLES-HINT', 'KUBE-KUBELET-CANARY']

async function hasHint(iptables: Iptables): Promise<boolean> {
  for (const chain of HINTS) {
    const limit = AbortSignal.timeout(QUICK_TIMEOUT_MS)
    if (await iptables.hasChain('mangle', chain, limit)) return true
  }
  return false
}

async function open(
  family: IpFamily,
  name: Name,
  { onWrite: onStart, timeoutMs = TIMEOUT_MS }: IptablesRunOptions,
): Promise<Iptables> {
  const program = family === 4 ? name : name.replace('ip', 'ip6')
  const { stdout } = await run(program, ['--version'], { timeoutMs: QUICK_TIMEOUT_MS })
  const { version, flavour } = parseVersion(program, stdout)
  return {
    flavour,
    version,
    async probe(signal) {
      const args = ['--wait', String(LOCK_WAIT_SECONDS), '-t', 'nat', '-S', 'POSTROUTING']
      try {
        await exec(program, args, { signal, timeoutMs })
      } catch (error) {
        if (!(error instanceof ExecError)) throw error
        // Others hold the lock; they will not for ever.
        if (error.exitCode !== RESOURCE_PROBLEM) throw iptablesError(error, undefined)
      }
    },
    async save(signal) {
      return (await run(`${program}-save`, [], { signal, timeoutMs })).stdout
    },
    async restore(text, signal) {
      const input = await toBytes(text)
      if (input.length === 0) return
      const args = ['--noflush', '--counters', '--wait', String(LOCK_WAIT_SECONDS)]
      await run(`${program}-restore`, args, { signal, input, onStart, timeoutMs })
    },
    async hasChain(table, chain, signal) {
      try {
        const args = ['--wait', String(LOCK_WAIT_SECONDS), '-t', table, '-S', chain]
        await exec(program, args, { signal, timeoutMs })
        return true
      } catch (error) {
        // 3 is a table that cannot be read; neither that nor RESOURCE_PROBLEM says anything about a chain.
        return error instanceof ExecError && error.exitCode === 1 ? false : undefined
      }
    },
  }
}

/** What `iptables --version` says. @throws {IptablesError} it is too old, or something else. */
export function parseVersion(
  program: string,
  text: string,
): { readonly version: string; readonly flavour: IptablesFlavour } {
  const match = /v(\d+)\.(\d+)\.(\d+)(?: \((nf_tables|legacy)\))?/.exec(text)
  if (match === null) throw new IptablesError(program, `unknown version: ${text.trim()}`)
  const numbers = match.slice(1, 4).map(Number)
  const version = numbers.join('.')
  const differs = numbers.findIndex((number, index) => number !== OLDEST[index])
  if (differs >= 0 && (numbers[differs] as number) < (OLDEST[differs] as number)) {
    const oldest = OLDEST.join('.')
    throw new IptablesError(program, `version ${version} is too old: ${oldest} or later is needed`)
  }
  return { version, flavour: match[4] === 'nf_tables' ? 'nft' : 'legacy' }
}

type RunOptions = {
  readonly signal?: AbortSignal
  readonly input?: Uint8Array
  readonly timeoutMs: number
  readonly onStart?: OnStart | undefined
}

async function run(
  program: string,
  args: readonly string[],
  options: RunOptions,
): Promise<ExecResult> {
  try {
    return await exec(program, args, options)
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
    throw iptablesError(error, options.input)
  }
}

function iptablesError(error: ExecError, input: Uint8Array | undefined): IptablesError {
  const options = { cause: error }
  if (isProgramMissing(error)) {
    return new IptablesError(error.program, 'not found: is iptables installed?', undefined, options)
  }
  const said = error.stderr.trim()
  if (error.exitCode === undefined || said === '') {
    const reason = error.message.slice(`${error.program}: `.length)
    return new IptablesError(error.program, reason, undefined, options)
  }
  const number = /\bline:? (\d+)/.exec(said)?.[1]
  const line = input && number ? lineOf(input, Number(number)) : undefined
  return new IptablesError(error.program, said.replace(/\s*\n\s*/g, '; '), line, options)
}

/** A line of a text by its number, from 1. */
function lineOf(text: Uint8Array, number: number): string | undefined {
  let start = 0
  for (let at = 1; at < number; at++) {
    start = text.indexOf(10, start) + 1
    if (start === 0) return undefined
  }
  const end = text.indexOf(10, start)
  const line = Buffer.from(text.subarray(start, end < 0 ? undefined : end)).toString()
  return line.slice(0, MAX_QUOTED_LENGTH)
}

/** Bytes in which a text is put together: one string of it all would be copied in one go. */
const PIECE_LENGTH = 64 * 1024

async function toBytes(text: Iterable<string>): Promise<Uint8Array> {
  const pace = new Pace()
  const pieces: Buffer[] = []
  let piece = ''
  for (const part of text) {
    piece += part
    if (piece.length < PIECE_LENGTH) continue
    pieces.push(Buffer.from(piece))
    piece = ''
    await pace.breathe()
  }
  pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
