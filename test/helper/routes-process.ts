import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Node } from '#cluster/objects.ts'
import type { RoutesSettings } from '../../src/routes/settings.ts'
import { eventually } from './eventually.ts'
import type { TestNamespace } from './namespace.ts'

const RUNNER = new URL('../fixtures/run-routes.ts', import.meta.url).pathname

/** Removes what routes left in a namespace. */
export async function cleanupRoutesIn(namespace: TestNamespace, mtuFile: string): Promise<void> {
  await namespace.exec(process.execPath, [RUNNER, '--cleanup', mtuFile])
}

/** The routes of a namespace, in a process of its own: its netlink socket belongs to that namespace. */
export class RoutesProcess {
  readonly #child: ChildProcess
  #status: string | null | undefined

  constructor(namespace: TestNamespace, settings: RoutesSettings) {
    const args = [RUNNER, JSON.stringify(settings)]
    this.#child = namespace.spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.#child.stdout as Readable })
    lines.on('line', line => {
      this.#status = JSON.parse(line) as string | null
    })
  }

  /** The list of all Nodes. */
  setNodes(nodes: readonly Node[]): void {
    this.#child.stdin?.write(`${JSON.stringify(nodes)}\n`)
  }

  /** Until a sync ended without trouble. */
  async settled(): Promise<void> {
    await this.status(null)
  }

  /** Until a sync ended with this: why not, or null. */
  async status(wanted: string | null): Promise<void> {
    await eventually('the routes to settle', () => this.#status === wanted).catch(
      (error: unknown) => {
        throw new Error(`the routes say: ${this.#status}`, { cause: error })
      },
    )
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exit
  }
}
