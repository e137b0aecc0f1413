import { open } from 'node:fs/promises'
import { describeError, NodeplaneError } from '#runtime/error.ts'

/** A file that a plugin reads is larger than it may be. */
export class FileTooLargeError extends NodeplaneError {
  readonly code = 'ERR_DNS_FILE_TOO_LARGE'
}

export type WatchedFileOptions = {
  readonly path: string
  /** How often it is looked at, milliseconds; 0: never again. */
  readonly intervalMs: number
  readonly maxOctets: number
  /** Told the file's text at first and whenever the file changed. What it throws is told to `onFailure`. */
  readonly onText: (text: string, modifiedMs: number) => void | Promise<void>
  /** Told once of every new reason why the file cannot be used. */
  readonly onFailure: (reason: string) => void
}

/** Reads a file again when its inode, size or time of change is another. Polls: a mounted ConfigMap is switched by a link. */
export class WatchedFile {
  readonly #options: WatchedFileOptions
  #stamp = ''
  #failure = ''
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: WatchedFileOptions) {
    this.#options = options
  }

  /** Reads the file if it changed since the last look. Never rejects. */
  async look(): Promise<void> {
    try {
      await this.#read()
      this.#failure = ''
    } catch (error) {
      const failure = describeError(error)
      if (failure !== this.#failure) this.#options.onFailure(failure)
      this.#failure = failure
    }
  }

  /** Looks now and then until {@link stop}. */
  start(): void {
    const { intervalMs } = this.#options
    if (intervalMs === 0 || this.#isStopped) return
    this.#timer = setTimeout(() => void this.look().finally(() => this.start()), intervalMs)
    this.#timer.unref()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #read(): Promise<void> {
    const { path, maxOctets, onText } = this.#options
    await using file = await open(path)
    const { ino, size, mtimeMs } = await file.stat()
    const stamp = `${ino} ${size} ${mtimeMs}`
    if (stamp === this.#stamp) return
    if (size > maxOctets) {
      throw new FileTooLargeError(`${path} has ${size} octets, more than the limit of ${maxOctets}`)
    }
    const text = await file.readFile('utf8')
    this.#stamp = stamp
    await onText(text, mtimeMs)
  }
}
