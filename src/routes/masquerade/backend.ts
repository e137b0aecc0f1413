import { isDeepStrictEqual } from 'node:util'
import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import { childWriter, type NftWriter } from '#linux/nft.ts'
import { listNftTable } from '#linux/nft-listing.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Masquerade } from '../plan.ts'
import type { MasqueradeBackend } from '../settings.ts'
import { ourRules, renderIptables, renderIptablesRemoval } from './iptables-render.ts'
import { ROUTES_TABLE, renderNftRemoval, renderNftTable } from './nft-render.ts'

/** How long iptables may wait for others that hold its lock, in seconds. */
const LOCK_WAIT_SECONDS = 10

/** One way to have rules in the kernel. */
type Rules = {
  /** Makes the rules what they should be, in one step. */
  readonly write: (masquerade: Masquerade, signal: AbortSignal) => Promise<void>
  /** A text or value that is another whenever somebody changed the rules; undefined when they are gone. */
  readonly read: (family: IpFamily, signal: AbortSignal) => Promise<unknown>
}

/**
 * Keeps the masquerade rules as planned. They are written when the plan changes, or when they are not as they were found
 * after the last time they were written: what the programs print of a rule is not what they were told.
 */
export class Masquerader {
  readonly #rules: Rules
  readonly #written = new Map<IpFamily, { readonly wanted: Masquerade; readonly found: unknown }>()
  readonly #removed = new Set<IpFamily>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** Says whether anything had to be written. @throws {NftError} @throws {ExecError} */
  async ensure(wanted: Masquerade, signal: AbortSignal): Promise<boolean> {
    const { family } = wanted
    const last = this.#written.get(family)
    if (last !== undefined && isDeepStrictEqual(last.wanted, wanted)) {
      const found = await this.#rules.read(family, signal)
      if (found !== undefined && isDeepStrictEqual(found, last.found)) return false
    }
    this.#written.delete(family)
    this.#removed.delete(family)
    await this.#rules.write(wanted, signal)
    const found = await this.#rules.read(family, signal)
    if (found !== undefined) this.#written.set(family, { wanted, found })
    return true
  }

  /** The family has no rules any more. @throws {NftError} @throws {ExecError} */
  async remove(family: IpFamily, signal: AbortSignal): Promise<void> {
    if (this.#removed.has(family)) return
    this.#written.delete(family)
    await removeMasquerade(family, signal)
    this.#removed.add(family)
  }
}

/** The rules of a backend. What an earlier run left by the other one is removed once they are there. */
export function masqueraderOf(backend: MasqueradeBackend, writer: NftWriter): Masquerader {
  // Without masquerade there still are segment sizes to be told.
  return new Masquerader(backend === 'iptables' ? iptablesRules() : nftRules(writer))
}

function nftRules(writer: NftWriter): Rules {
  const cleaned = new Set<IpFamily>()
  return {
    async write(masquerade, signal) {
      const { family } = masquerade
      await writer.apply(renderNftTable(masquerade), signal)
      if (!cleaned.has(family)) await removeIptables(family, signal)
      cleaned.add(family)
    },
    read: (family, signal) => listNftTable({ family, name: ROUTES_TABLE }, signal),
  }
}

function iptablesRules(): Rules {
  const cleaned = new Set<IpFamily>()
  return {
    async write(masquerade, signal) {
      const { family } = masquerade
      const saved = (await exec(`${programOf(family)}-save`, [], { signal })).stdout
      await restore(family, renderIptables(masquerade, saved), signal)
      if (!cleaned.has(family)) await removeNft(family, signal)
      cleaned.add(family)
    },
    async read(family, signal) {
      const { stdout } = await exec(`${programOf(family)}-save`, [], { signal })
      return ourRules(stdout) || undefined
    },
  }
}

/** Removes the rules of both backends; fine when there are none, and where there is no such program. */
export async function removeMasquerade(family: IpFamily, signal: AbortSignal): Promise<void> {
  await removeIptables(family, signal)
  await removeNft(family, signal)
}

async function removeNft(family: IpFamily, signal: AbortSignal): Promise<void> {
  try {
    await childWriter.apply(renderNftRemoval(family), signal)
  } catch (error) {
    if (!isProgramMissing(error)) throw error
  }
}

async function removeIptables(family: IpFamily, signal: AbortSignal): Promise<void> {
  const removal = renderIptablesRemoval(await savedRules(family, signal))
  if (removal !== undefined) await restore(family, removal, signal)
}

/** What iptables-save prints; nothing where the program or the kernel's part of it is missing. */
async function savedRules(family: IpFamily, signal: AbortSignal): Promise<string> {
  try {
    return (await exec(`${programOf(family)}-save`, [], { signal })).stdout
  } catch (error) {
    const isRefused = error instanceof ExecError && error.exitCode !== undefined
    if (isRefused || isProgramMissing(error)) return ''
    throw error
  }
}

const restore = (family: IpFamily, input: string, signal: AbortSignal) =>
  exec(`${programOf(family)}-restore`, ['--noflush', '-w', String(LOCK_WAIT_SECONDS)], {
    input,
    signal,
  })

const programOf = (family: IpFamily): string => (family === 4 ? 'iptables' : 'ip6tables')
