import { readFile } from 'node:fs/promises'
import type { Clock } from '#runtime/clock.ts'

/** A token or certificate, which may be replaced while we run. */
export interface RotatingText {
  /** @throws {Error} it cannot be read and never was. */
  read(): Promise<string>
  /** Drops what is remembered. Is there any hope that the next read gives something else? */
  forget(): boolean
}

/** A text that stays. */
export const fixedText = (text: string): RotatingText => ({
  read: async () => text,
  forget: () => false,
})

/** How long a file is believed to be unchanged; client-go rereads token files as often. */
const FRESH_MS = 60_000

/**
 * A file that others replace now and then (kubelet renews service account tokens, certificate agents renew keys). It is
 * read again when it was read a minute ago; while it cannot be read, what it held before is used.
 */
export function fileText(path: string, clock: Clock): RotatingText {
  let text: string | undefined
  let readAt = Number.NEGATIVE_INFINITY
  return {
    async read() {
      if (text !== undefined && clock.monotonic() - readAt < FRESH_MS) return text
      readAt = clock.monotonic()
      try {
        text = await readFile(path, 'utf8')
      } catch (error) {
        if (text === undefined) throw error
      }
      return text
    },
    forget() {
      readAt = Number.NEGATIVE_INFINITY
      return true
    },
  }
}
