import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { type Attachment, attachmentHash } from '../attachment.ts'
import { type PodAttachment, parseAttachment } from './pod-attachment.ts'

/** How many attachments a node's agent keeps: far over what one can run, so that a runtime gone wild cannot fill it. */
const MAX_ATTACHMENTS = 16_384

/** Names of our files, and of those that a killed process did not finish; what else lies there is not ours. */
const OWN_FILE = /^[0-9a-f]{32}\.json(\.new)?$/

/** Who is told of trouble with the files. */
type Warn = (fields: { readonly file: string; readonly reason: string }, message: string) => void

/**
 * The interfaces that this node's pods have, known from the moment an ADD is answered, each in a file of its own
 * (root's alone) so that a new agent knows them too. What could not be written is still known until this process ends.
 *
 * The files are written synchronously: they lie in memory (/run), where a write takes less than handing it to a thread.
 */
export class AttachedPods {
  readonly #folder: string
  readonly #warn: Warn
  readonly #byKey = new Map<string, PodAttachment>()
  readonly #byAddress = new Map<IpAddress, PodAttachment>()

  private constructor(folder: string, warn: Warn) {
    this.#folder = folder
    this.#warn = warn
  }

  /**
   * Reads what earlier agents have left in the folder, which is made when it is missing. Attachments whose namespace is gone
   * are removed, and so are files that were not finished.
   * @throws system errors of the folder.
   */
  static open(folder: string, warn: Warn): AttachedPods {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const pods = new AttachedPods(folder, warn)
    for (const file of readdirSync(folder)) {
      if (OWN_FILE.test(file)) pods.#recover(join(folder, file))
    }
    return pods
  }

  get size(): number {
    return this.#byKey.size
  }

  /** Who has this address, with the newest of its owners; undefined for none of this node's pods. */
  byAddress(ip: IpAddress): PodAttachment | undefined {
    return this.#byAddress.get(ip)
  }

  /** All attachments, in the order in which they became known. */
  list(): Iterable<PodAttachment> {
    return this.#byKey.values()
  }

  /** An ADD has made this, or a later plugin of its chain has changed it. */
  add(attachment: PodAttachment): void {
    const key = attachmentHash(attachment)
    const before = this.#byKey.get(key)
    if (before === undefined && this.#byKey.size >= MAX_ATTACHMENTS) return
    const kept =
      before === undefined
        ? attachment
        : {
            ...attachment,
            plugin: before.plugin,
            hostInterface: attachment.hostInterface ?? before.hostInterface,
          }
    this.#remember(kept)
    this.#write(kept)
  }

  /** A DEL of `plugin` has succeeded. The attachment ends with the plugin that made it: a chain is undone backwards. */
  remove(plugin: string, attachment: Attachment): void {
    const known = this.#byKey.get(attachmentHash(attachment))
    if (known?.plugin === plugin) this.#forget(known)
  }

  /** A GC has succeeded: only the attachments `isValid` names are left of the network. */
  keepOnly(network: string, isValid: (attachment: PodAttachment) => boolean): void {
    for (const attachment of this.#byKey.values()) {
      if (attachment.network === network && !isValid(attachment)) this.#forget(attachment)
    }
  }

  #remember(attachment: PodAttachment): void {
    const key = attachmentHash(attachment)
    this.#forgetAddresses(this.#byKey.get(key))
    this.#byKey.set(key, attachment)
    for (const ip of attachment.addresses) this.#byAddress.set(ip, attachment)
  }

  #forget(attachment: PodAttachment): void {
    this.#forgetAddresses(attachment)
    this.#byKey.delete(attachmentHash(attachment))
    this.#removeFile(this.#pathOf(attachment))
  }

  /** An address that has gone to another attachment meanwhile stays there. */
  #forgetAddresses(attachment: PodAttachment | undefined): void {
    for (const ip of attachment?.addresses ?? []) {
      if (this.#byAddress.get(ip) === attachment) this.#byAddress.delete(ip)
    }
  }

  #recover(path: string): void {
    try {
      const attachment = parseAttachment(readFileSync(path, 'utf8'))
      if (this.#pathOf(attachment) !== path) throw new Error('not the file of its attachment')
      if (existsSync(attachment.netns)) return this.#remember(attachment)
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'file of a pod removed')
    }
    this.#removeFile(path)
  }

  #write(attachment: PodAttachment): void {
    const path = this.#pathOf(attachment)
    try {
      writeFileSync(`${path}.new`, JSON.stringify(attachment), { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'pod not remembered')
    }
  }

  #removeFile(path: string): void {
    try {
      rmSync(path, { force: true })
    } catch (error) {
      this.#warn({ file: path, reason: describeError(error) }, 'file of a pod not removed')
    }
  }

  #pathOf(attachment: Attachment): string {
    return join(this.#folder, `${attachmentHash(attachment)}.json`)
  }
}
