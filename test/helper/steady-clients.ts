import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { TestNamespace } from './namespace.ts'
import type { ClientPlan, ClientReport } from './steady-report.ts'

const fixture = (name: string) => new URL(`../fixtures/${name}`, import.meta.url).pathname

/** Starts a server that sends back what comes, by TCP and UDP; returns when it listens. */
export async function startEcho(namespace: TestNamespace, port: number): Promise<void> {
  const child = namespace.spawn(process.execPath, [fixture('echo-all.ts'), String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout as Readable, 'data')
}

/** Starts clients in a process of their own; stopping them gives what they saw. */
export async function startClients(
  from: TestNamespace,
  plan: ClientPlan,
): Promise<{ stop(): Promise<ClientReport> }> {
  const args = [fixture('steady-clients.ts'), JSON.stringify(plan)]
  const child = from.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  await lines.next()
  return {
    async stop() {
      child.stdin?.end()
      return JSON.parse(String((await lines.next()).value)) as ClientReport
    },
  }
}
