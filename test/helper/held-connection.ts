import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { eventually } from './eventually.ts'
import type { TestNamespace } from './namespace.ts'

/** A TCP connection that stays open. */
export type HeldConnection = {
  /** Sends a line, and gives the one that comes back. */
  readonly say: (text: string) => Promise<string>
  readonly end: () => void
}

/** Starts a server that sends back what comes by TCP, of both families; returns when it listens. */
export async function echoLines(namespace: TestNamespace, port: number): Promise<void> {
  namespace.spawn('ncat', ['-lk', String(port), '-c', 'cat'], { stdio: 'ignore' })
  await eventually('a listener', async () =>
    (await namespace.exec('ss', ['-Htln'])).stdout.includes(`:${port} `),
  )
}

/** Connects to a server that sends back what comes; returns when it has done so once. */
export async function holdConnection(
  from: TestNamespace,
  host: string,
  port: number,
): Promise<HeldConnection> {
  const child = from.spawn('ncat', [host, String(port)], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin?.on('error', () => {})
  const lines = createInterface({ input: child.stdout as Readable })
  const say = async (text: string) => {
    // Only bounds a failure: a connection that was cut stays silent.
    const answer = once(lines, 'line', { signal: AbortSignal.timeout(10_000) })
    child.stdin?.write(`${text}\n`)
    return ((await answer) as [string])[0]
  }
  await say('hello')
  return { say, end: () => child.kill() }
}
