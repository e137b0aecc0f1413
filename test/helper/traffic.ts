import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { TestNamespace } from './namespace.ts'

const script = (name: string) => new URL(`../fixtures/${name}`, import.meta.url).pathname
const ECHO = script('echo-server.ts')
const ASK = script('ask.ts')

export type Target = {
  readonly protocol: 'tcp' | 'udp'
  readonly host: string
  readonly port: number
}

/** Starts a server in `namespace` that answers `NAME SOURCE`, by TCP and UDP; returns when it listens. */
export async function serve(
  namespace: TestNamespace,
  name: string,
  ports: readonly number[],
): Promise<void> {
  const child = namespace.spawn(process.execPath, [ECHO, name, ...ports.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout as Readable, 'data')
}

/** Asks so many times, and gives the answers (`NAME SOURCE`) or error codes. */
export async function ask(
  from: TestNamespace,
  { protocol, host, port }: Target,
  count = 1,
): Promise<readonly string[]> {
  const args = [ASK, protocol, host, String(port), String(count)]
  return JSON.parse((await from.exec(process.execPath, args)).stdout) as string[]
}

/** Keeps asking until it is stopped, which gives all outcomes. */
export async function load(
  from: TestNamespace,
  { protocol, host, port }: Target,
): Promise<{ stop(): Promise<readonly string[]> }> {
  const child = from.spawn(process.execPath, [ASK, protocol, host, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  await lines.next()
  return {
    async stop() {
      child.stdin?.end()
      return JSON.parse(String((await lines.next()).value)) as string[]
    },
  }
}
