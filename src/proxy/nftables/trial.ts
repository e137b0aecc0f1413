import { ExecError } from '#linux/exec.ts'
import { checkNft, createChildWriter, NftError } from '#linux/nft.ts'
import type { IpFamily } from '#net/ip.ts'
import { NodeplaneError } from '#runtime/error.ts'
import { type LayoutOptions, renderLayout } from './layout.ts'
import { balancerChain, formatId, REJECT_CHAIN, rememberChain } from './name.ts'
import { renderAll, renderRemoval } from './render.ts'
import type { Table } from './table.ts'

/** The kernel or nft cannot make what this mode is made of. */
export class NftablesMissingError extends NodeplaneError {
  readonly code = 'ERR_NFTABLES_MISSING'
  constructor(cause: NftError) {
    const needed =
      'Linux 5.9 or newer, nft 1.0.6 or newer, and the modules that `nodeplane doctor` names'
    super(`mode nftables: ${cause.message}; needed are ${needed}`, { cause })
  }
}

/**
 * The fixed part of a table, the chains made on demand, and an element that leads to a refusal: as a table of another name, so that it
 * can be tried whatever the kernel holds.
 */
export function renderTrial(options: LayoutOptions): string {
  const table = trialTable(options.table)
  const chains = [balancerChain(2), rememberChain(60)]
  const refused = { container: 'lb', key: formatId(1), value: `goto ${REJECT_CHAIN}` } as const
  return [renderLayout({ ...options, table }).text, ...renderAll(table, chains, [refused])].join('')
}

/** The table by which it is tried whether another one can be. */
export const trialTable = ({ family, name }: Table): Table => ({ family, name: `${name}-trial` })

/** A trial of everything that settings can bring into the table of a family. */
export const renderFullTrial = (family: IpFamily): string =>
  renderTrial({
    table: { family, name: 'nodeplane' },
    detector: { by: 'interface', name: 'veth', isPrefix: true },
    masqueradeAll: false,
    nodePortAddresses: [],
    localhostNodePorts: true,
    dropInvalid: true,
  })

type TrialOptions = {
  /** Of the kernel: `6.1.0-18-amd64`. */
  readonly release: string
  /** A run of nft that takes longer is killed, and says nothing; never longer than 10 s. */
  readonly timeoutMs?: number | undefined
}

/**
 * Tries whether the kernel and nft take the table of these options, which takes some ten milliseconds. Where nft cannot be run now, or
 * fails by itself, nothing is known: then it is the first write that fails, and is tried again.
 * @throws {NftablesMissingError} they will never take it.
 */
export async function tryLayout(options: LayoutOptions, trial: TrialOptions): Promise<void> {
  const { release, timeoutMs } = trial
  const { signal } = new AbortController()
  try {
    await checkNft(renderTrial(options), signal, timeoutMs)
    if (isOld(release)) await tryDormant(options, trial)
  } catch (error) {
    if (error instanceof NftError && isRefusal(error)) throw new NftablesMissingError(error)
    if (!(error instanceof NftError || error instanceof ExecError)) throw error
  }
}

/** Without a line it is not the text that is wrong, and memory may come back. */
const isRefusal = ({ line, message }: NftError): boolean =>
  line !== undefined && !/Cannot allocate memory|No buffer space|busy/i.test(message)

/** Linux 5.9 (f53b9b0bdc59) is the first that refuses in prerouting; older ones of distributions may as well. */
function isOld(release: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number)
  return major < 5 || (major === 5 && minor < 9)
}

/**
 * What a hook allows is not a part of a check: for that a table must really be made. This one is dormant, so no packet comes
 * by it, and goes at once.
 */
async function tryDormant(options: LayoutOptions, { timeoutMs }: TrialOptions): Promise<void> {
  const { signal } = new AbortController()
  const writer = createChildWriter({ timeoutMs })
  const table = trialTable(options.table)
  const dormant = renderTrial(options).replace('{', '{\nflags dormant')
  try {
    await writer.apply(renderRemoval(table) + dormant, signal)
  } finally {
    await writer.apply(renderRemoval(table), signal)
  }
}
