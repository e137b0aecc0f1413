import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NamespaceError, NetworkNamespace } from '#linux/namespace.ts'
import { readSysctl } from '#linux/sysctl.ts'
import { describeError } from '#runtime/error.ts'
import { type Attachment, attachmentHash, attachmentOf } from '../attachment.ts'
import type { AttachmentRequest } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { renderResult } from '../spec/result-json.ts'
import {
  type JournalEntry,
  KEPT_VARIABLES,
  parseEntry,
  withCall,
  withDone,
  withoutCall,
} from './entry.ts'

/** Names of our files, and of those that a killed process did not finish; what else lies there is not ours. */
const OWN_FILE = /^[0-9a-f]{32}\.json(\.new)?$/
const UNFINISHED = '.new'

/** How many attachments are kept: far over what a node can run. */
const MAX_ENTRIES = 4096

type Warn = (fields: { readonly file: string; readonly reason: string }, message: string) => void

/**
 * What ADDs have begun and no DEL has ended, each attachment in a file of its own (root's alone), so that also after a crash or a
 * reboot everything of an attachment can be found and removed. An entry is there before the kernel or a store is changed.
 *
 * Not flushed to the disk: what a crash of the machine loses, IPAM's own files lose with it.
 */
export class Journal {
  readonly #folder: string
  readonly #warn: Warn
  readonly #bootId: string
  readonly #host: string
  readonly #byKey = new Map<string, JournalEntry>()

  private constructor(folder: string, warn: Warn) {
    this.#folder = folder
    this.#warn = warn
    this.#bootId = readSysctl('kernel/random/boot_id')
    using host = NetworkNamespace.own()
    this.#host = host.identity
  }

  /**
   * Reads what earlier agents of this node have left in the folder, which is made when it is missing. What cannot be read is
   * removed, and said. Without a folder that can be used attachments are known until this process ends.
   */
  static open(folder: string, warn: Warn): Journal {
    const journal = new Journal(folder, warn)
    for (const file of journal.#files()) {
      if (!OWN_FILE.test(file)) continue
      // Its ADD had not begun when it was killed, or there is a former state of it.
      if (file.endsWith(UNFINISHED)) journal.#remove(join(folder, file))
      else journal.#recover(join(folder, file))
    }
    return journal
  }

  /** Everything, in the order in which it became known. */
  list(): readonly JournalEntry[] {
    return [...this.#byKey.values()]
  }

  get(attachment: Attachment): JournalEntry | undefined {
    return this.#byKey.get(attachmentHash(attachment))
  }

  /** An ADD begins. The namespace of the request is there, or the ADD will fail. */
  begin(plugin: string, request: AttachmentRequest): void {
    const attachment = attachmentOf(request)
    const before = this.get(attachment)
    if (before === undefined && this.#byKey.size >= MAX_ENTRIES) return
    const config = configOf(request)
    const call = { plugin, env: environmentOf(request), config, isDone: false }
    this.#keep({
      ...attachment,
      netns: request.netns,
      identity: identityAt(request.netns) ?? '',
      host: this.#host,
      bootId: this.#bootId,
      calls: withCall(before?.calls ?? [], call),
      result: before?.result,
    })
  }

  /** That ADD has succeeded. */
  added(plugin: string, request: AttachmentRequest, result: CniResult): void {
    const entry = this.get(attachmentOf(request))
    if (entry === undefined) return
    const printed = { ...renderResult(result, request.config.cniVersion) }
    this.#keep({ ...entry, calls: withDone(entry.calls, plugin), result: printed })
  }

  /** A DEL of `plugin` has succeeded. */
  deleted(plugin: string, attachment: Attachment): void {
    const entry = this.get(attachment)
    if (entry === undefined) return
    const calls = withoutCall(entry.calls, plugin)
    if (calls.length > 0) this.#keep({ ...entry, calls })
    else this.#drop(entry)
  }

  /** A GC of `plugin` has succeeded: of the network it has only what `isValid` names. */
  collected(plugin: string, network: string, isValid: (attachment: Attachment) => boolean): void {
    for (const entry of this.list()) {
      if (entry.network === network && !isValid(entry)) this.deleted(plugin, entry)
    }
  }

  /** Has the container of the entry ended, whoever may know of it? */
  isGone({ netns, identity, bootId, host }: JournalEntry): boolean {
    if (bootId !== this.#bootId) return true
    if (host !== this.#host) return false
    const found = identityAt(netns)
    // What was written down before there were cookies has none.
    return found !== identity && !found?.startsWith(`${identity}:`)
  }

  #files(): readonly string[] {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      return readdirSync(this.#folder)
    } catch (error) {
      this.#warn(
        { file: this.#folder, reason: describeError(error) },
        'attachments not written down',
      )
      return []
    }
  }

  #keep(entry: JournalEntry): void {
    this.#byKey.set(attachmentHash(entry), entry)
    const path = this.#pathOf(entry)
    try {
      writeFileSync(path + UNFINISHED, JSON.stringify(entry), { mode: 0o600 })
      renameSync(path + UNFINISHED, path)
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'attachment not written down')
    }
  }

  #drop(entry: JournalEntry): void {
    this.#byKey.delete(attachmentHash(entry))
    this.#remove(this.#pathOf(entry))
  }

  #recover(path: string): void {
    try {
      const entry = parseEntry(readFileSync(path, 'utf8'))
      if (this.#pathOf(entry) !== path) throw new Error('not the file of its attachment')
      // Another node's, simulated on this machine, is left to its own agent.
      if (entry.bootId !== this.#bootId || entry.host === this.#host) {
        this.#byKey.set(attachmentHash(entry), entry)
      }
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'record of an attachment removed')
      this.#remove(path)
    }
  }

  #remove(path: string): void {
    try {
      rmSync(path, { force: true })
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'record not removed')
    }
  }

  #pathOf(attachment: Attachment): string {
    return join(this.#folder, `${attachmentHash(attachment)}.json`)
  }
}

/** Undefined when no network namespace is at the path. */
function identityAt(netns: string): string | undefined {
  try {
    using namespace = NetworkNamespace.open(netns)
    return namespace.lastingIdentity()
  } catch (error) {
    if (error instanceof NamespaceError) return undefined
    throw error
  }
}

function environmentOf({ raw: { env } }: AttachmentRequest): Readonly<Record<string, string>> {
  const kept = KEPT_VARIABLES.map(key => [key, env[key]] as const)
  return Object.fromEntries(
    kept.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}

/** prevResult grows with the chain and is known from the result. */
function configOf({ raw }: AttachmentRequest): Readonly<Record<string, unknown>> {
  const config = JSON.parse(Buffer.from(raw.stdin).toString()) as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(config).filter(([key]) => key.toLowerCase() !== 'prevresult'),
  )
}
