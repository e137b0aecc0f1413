import type { Writable } from 'node:stream'

/** The levels of CoreDNS's log lines. */
export type LineLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'FATAL'

/**
 * CoreDNS's log: lines without time on stdout, `[INFO] …`. Only what users parse goes here, the query log and the lines of the
 * `errors` plugin; what the process has to say of itself goes through pino to stderr.
 */
export type LineLog = {
  /** Writes one line: control characters in `text`, which clients may have sent, are shown as `?`. */
  line(level: LineLevel, text: string): void
}

/** Octets that may wait for a slow reader of stdout before lines are dropped. */
const MAX_WAITING_OCTETS = 1024 * 1024

/** A line log that never waits and never grows: while the reader is too slow, lines are dropped and counted. */
export function createLineLog(output: Writable): LineLog {
  let dropped = 0
  return {
    line(level, text) {
      if (output.writableLength > MAX_WAITING_OCTETS) {
        dropped++
        return
      }
      if (dropped > 0)
        output.write(`[WARNING] ${dropped} lines were not written: stdout is read too slowly\n`)
      dropped = 0
      output.write(`[${level}] ${text.replace(/\p{Cc}/gu, '?')}\n`)
    },
  }
}
