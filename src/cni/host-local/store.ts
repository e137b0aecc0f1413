import { readdirSync, readFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type FileLockOptions, FileLockTimeout, lockFile } from '#linux/file-lock.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { Holder, Reservations } from './allocator.ts'

/** Files that are not reservations yet. The name is no address, so no reader of the store takes it for one. */
const TEMPORARY = '.new'
/** How many files are read before other work of the process gets its turn: about a millisecond. */
const FILES_PER_TURN = 64

/**
 * The reservations of one network on disk, locked as long as this lives. The layout and the lock are the reference
 * plugin's, because both may work on one store while a node is upgraded: a file per address named by it, holding
 * `ID CR LF IFNAME`; `last_reserved_ip.N`; and the flock(2) lock on `lock`.
 */
export class Store implements AsyncDisposable {
  readonly #folder: string
  readonly #lock: AsyncDisposable

  private constructor(folder: string, lock: AsyncDisposable) {
    this.#folder = folder
    this.#lock = lock
  }

  /**
   * Makes the store if it is missing, and locks it.
   * @throws {CniError} code 11 when others hold the lock too long, 5 for other failures.
   */
  static async create(folder: string, options: FileLockOptions): Promise<Store> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o755 })
      return new Store(folder, await lockFile(join(folder, 'lock'), options))
    } catch (error) {
      throw lockFailure(error)
    }
  }

  /** Locks a store; undefined when there is none. @throws {CniError} as {@link Store.create} */
  static async open(folder: string, options: FileLockOptions): Promise<Store | undefined> {
    const found = await stat(folder).catch(() => undefined)
    return found === undefined ? undefined : Store.create(folder, options)
  }

  /**
   * All reservations. Empty address files are none: every writer holds the lock, so an empty file is what a writer
   * left that was killed between making and filling it.
   */
  async read(): Promise<Reservations> {
    const holders = new Map<IpAddress, Holder>()
    const lastReserved: (IpAddress | undefined)[] = []
    for (const [index, name] of readdirSync(this.#folder).entries()) {
      if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await setImmediate()
      const ip = parseIp(name)
      const set = /^last_reserved_ip\.(0|[1-9][0-9]{0,3})$/.exec(name)?.[1]
      if (set !== undefined) lastReserved[Number(set)] = parseIp(this.#text(name))
      if (ip === undefined || ip !== name) continue
      const [containerId = '', ifname] = this.#text(name).split(/\r?\n/)
      if (containerId !== '') holders.set(ip, { containerId, ifname })
    }
    return { holders, lastReserved }
  }

  /**
   * Reserves an address, whole or not at all: a process killed at any point leaves a file with its holder, which the
   * holder's DEL finds, or none.
   */
  async reserve(ip: IpAddress, { containerId, ifname }: Required<Holder>): Promise<void> {
    const temporary = await this.#writeTemporary(`${containerId}\r\n${ifname}`)
    const path = join(this.#folder, ip)
    try {
      await link(temporary, path)
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST' || (await readFile(path, 'utf8')).trim() !== '') throw error
      // An empty file is free.
      return await rename(temporary, path)
    }
    await unlink(temporary)
  }

  /** Gives addresses back. Those that are not reserved are ignored. */
  async release(ips: Iterable<IpAddress>): Promise<void> {
    try {
      for (const ip of ips) await rm(join(this.#folder, ip), { force: true })
    } catch (cause) {
      throw new CniError(cniCodes.ioFailure, 'cannot release addresses', { cause })
    }
  }

  /** Remembers where round robin goes on in a set. */
  async setLastReserved(set: number, ip: IpAddress): Promise<void> {
    await rename(await this.#writeTemporary(ip), join(this.#folder, `last_reserved_ip.${set}`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock[Symbol.asyncDispose]()
  }

  /** A new file: an old one of a killed writer may be the reservation itself, under its second name. */
  async #writeTemporary(content: string): Promise<string> {
    const path = join(this.#folder, TEMPORARY)
    await rm(path, { force: true })
    await writeFile(path, content, { mode: 0o600, flag: 'wx' })
    return path
  }

  /** A file's content; what cannot be read as a file says nothing. */
  #text(name: string): string {
    try {
      return readFileSync(join(this.#folder, name), 'utf8').trim()
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'EISDIR') return ''
      throw new CniError(cniCodes.ioFailure, 'cannot read the address store', { cause: error })
    }
  }
}

function lockFailure(error: unknown): CniError {
  const code = error instanceof FileLockTimeout ? cniCodes.tryAgainLater : cniCodes.ioFailure
  return new CniError(code, `cannot lock the address store: ${describeError(error)}`)
}
