import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MacAddress, parseMac } from '#net/mac.ts'
import { errnoCode } from '#runtime/error.ts'
import type { Attachment } from '../attachment.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { LinkTuning } from './config.ts'

/*
 * What a link had before it was tuned: a file for each interface of a container, with the name and the fields of the reference
 * plugin, so that either can restore what the other saved. `network` is ours: GC asks for it.
 */

/** Saves what was before. What is saved already stays: it is older, so it is what was there at first. @throws {CniError} code 5 */
export function saveTuning(folder: string, attachment: Attachment, before: LinkTuning): void {
  const path = pathOf(folder, attachment)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const older = readText(path)
    const saved = { ...before, ...(older === undefined ? {} : parseSaved(older).tuning) }
    const temporary = `${path}.tmp`
    writeFileSync(temporary, renderSaved(saved, attachment.network), { mode: 0o600 })
    renameSync(temporary, path)
  } catch (cause) {
    throw new CniError(cniCodes.ioFailure, `dataDir: cannot save what ${path} is for`, { cause })
  }
}

/** What was saved; undefined when nothing was. A damaged file says nothing. @throws {CniError} code 5 */
export function savedTuning(folder: string, attachment: Attachment): LinkTuning | undefined {
  const text = readOrFail(pathOf(folder, attachment))
  return text === undefined ? undefined : parseSaved(text).tuning
}

/** Removes what was saved; nothing there is fine. @throws {CniError} code 5 */
export const forgetTuning = (folder: string, attachment: Attachment): void =>
  removeFile(pathOf(folder, attachment))

/** Removes what was saved for attachments of the network other than these. @throws {CniError} code 5 */
export function forgetOthers(
  folder: string,
  network: string,
  valid: readonly Omit<Attachment, 'network'>[],
): void {
  const kept = new Set(valid.map(each => pathOf(folder, { ...each, network })))
  for (const name of filesIn(folder)) {
    const path = join(folder, name)
    const text = name.endsWith('.json') && !kept.has(path) ? readOrFail(path) : undefined
    if (text !== undefined && parseSaved(text).network === network) removeFile(path)
  }
}

const pathOf = (folder: string, { containerId, ifname }: Attachment): string =>
  join(folder, `${containerId}_${ifname}.json`)

function renderSaved(tuning: LinkTuning, network: string): string {
  const { mac, mtu, isPromiscuous: promisc, isAllMulticast: allmulti } = tuning
  return JSON.stringify({ mac, promisc, mtu, allmulti, txQLen: tuning.txQueueLength, network })
}

type Saved = { readonly tuning: LinkTuning; readonly network: string | undefined }

function parseSaved(text: string): Saved {
  let saved: Readonly<Record<string, unknown>>
  try {
    saved = Object(JSON.parse(text)) as typeof saved
  } catch {
    return { tuning: {}, network: undefined }
  }
  const numberAt = (key: string) =>
    Number.isSafeInteger(saved[key]) ? Number(saved[key]) : undefined
  const booleanAt = (key: string) => (typeof saved[key] === 'boolean' ? saved[key] : undefined)
  const tuning = {
    mac: typeof saved['mac'] === 'string' ? parseMac(saved['mac']) : undefined,
    mtu: numberAt('mtu') || undefined,
    isPromiscuous: booleanAt('promisc'),
    isAllMulticast: booleanAt('allmulti'),
    txQueueLength: numberAt('txQLen'),
  } satisfies { [key in keyof LinkTuning]: LinkTuning[key] | MacAddress }
  const known = Object.entries(tuning).filter(([, value]) => value !== undefined)
  const { network } = saved
  return {
    tuning: Object.fromEntries(known),
    network: typeof network === 'string' ? network : undefined,
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function readOrFail(path: string): string | undefined {
  try {
    return readText(path)
  } catch (cause) {
    throw new CniError(cniCodes.ioFailure, `dataDir: cannot read ${path}`, { cause })
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return []
    throw new CniError(cniCodes.ioFailure, `dataDir: cannot list ${folder}`, { cause })
  }
}

function removeFile(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (cause) {
    throw new CniError(cniCodes.ioFailure, `dataDir: cannot remove ${path}`, { cause })
  }
}
