import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
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
 *
 * Files are worked on synchronously: each step takes microseconds, where the thread pool costs a starting process
 * several milliseconds, and on a busy node a wait for the scheduler per step, all under the lock.
 */
export class Store implements Disposable {
  readonly #folder: string
  readonly #lock: Disposable

  private constructor(folder: string, lock: Disposable) {
    this.#folder = folder
    this.#lock = lock
  }

  /**
   * Makes the store if it is missing, and locks it.
   * @throws {CniError} code 11 when others hold the lock too long, 5 for other failures.
   */
  static async create(folder: string, options: FileLockOptions): Promise<Store> {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 })
      return new Store(folder, await lockFile(join(folder, 'lock'), options))
    } catch (error) {
      throw lockFailure(error)
    }
  }

  /** Locks a store; undefined when there is none. @throws {CniError} as {@link Store.create} */
  static async open(folder: string, options: FileLockOptions): Promise<Store | undefined> {
    const found = statSync(folder, { throwIfNoEntry: false })
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
      if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await new Promise(setImmediate)
      const ip = parseIp(name)
      const set = /^last_reserved_ip\.(0|[1-9][0-9]{0,3})$/.exec(name)?.[1]
      if (set !== undefined) lastReserved[Number(set)] = parseIp(this.#text(name))
      if (ip === undefined || ip !== name) continue
      const holder = holderFrom(this.#text(name))
      if (holder !== undefined) holders.set(ip, holder)
    }
    return { holders, lastReserved }
  }

  /**
   * Reserves an address, whole or not at all: a process killed at any point leaves a file with its holder, which the
   * holder's DEL finds, or none. @throws {CniError} code 5, also when the address is taken.
   */
  reserve(ip: IpAddress, { containerId, ifname }: Required<Holder>): void {
    this.#write(() => {
      const temporary = this.#writeTemporary(`${containerId}\r\n${ifname}`)
      const path = join(this.#folder, ip)
      try {
        linkSync(temporary, path)
      } catch (error) {
        if (errnoCode(error) !== 'EEXIST' || this.#text(ip) !== '') throw error
        // An empty file is free.
        renameSync(temporary, path)
      }
      rmSync(temporary, { force: true })
    })
  }

  /**
   * Gives addresses back, each whatever becomes of the others. Those that are not reserved are ignored.
   * @throws {CniError} code 5, naming all that stay.
   */
  release(ips: Iterable<IpAddress>): void {
    const failures: string[] = []
    // With them what a killed writer left.
    for (const name of [...ips, TEMPORARY]) {
      try {
        rmSync(join(this.#folder, name), { force: true })
      } catch (error) {
        failures.push(describeError(error))
      }
    }
    if (failures.length > 0) {
      throw new CniError(cniCodes.ioFailure, `cannot release addresses: ${failures.join('; ')}`)
    }
  }

  /** Remembers where round robin goes on in a set. @throws {CniError} code 5 */
  setLastReserved(set: number, ip: IpAddress): void {
    this.#write(() => {
      renameSync(this.#writeTemporary(ip), join(this.#folder, `last_reserved_ip.${set}`))
    })
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]()
  }

  #write(work: () => void): void {
    try {
      work()
    } catch (cause) {
      throw new CniError(cniCodes.ioFailure, 'cannot write to the address store', { cause })
    }
  }

  /** A new file: the old one of a killed writer may be a reservation under its second name. */
  #writeTemporary(content: string): string {
    const path = join(this.#folder, TEMPORARY)
    rmSync(path, { force: true })
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
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

/** Who holds an address, by the text of its file; undefined: nobody. */
export function holderFrom(text: string): Holder | undefined {
  const [containerId = '', ifname] = text.trim().split(/\r?\n/)
  return containerId === '' ? undefined : { containerId, ifname }
}

function lockFailure(error: unknown): CniError {
  const code = error instanceof FileLockTimeout ? cniCodes.tryAgainLater : cniCodes.ioFailure
  return new CniError(code, `cannot lock the address store: ${describeError(error)}`)
}
