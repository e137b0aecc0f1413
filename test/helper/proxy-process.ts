import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { ClusterObject, Kind } from '#cluster/objects.ts'
import type { IpFamily } from '#net/ip.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { eventually } from './eventually.ts'
import type { TestNamespace } from './namespace.ts'

const RUNNER = new URL('../fixtures/run-proxy.ts', import.meta.url).pathname

/** Removes the rules of proxies in a namespace. */
export async function cleanup(namespace: TestNamespace, env = process.env): Promise<void> {
  await namespace.exec(process.execPath, [RUNNER, '--cleanup'], { env })
}

const running = new Set<ProxyProcess>()

/**
 * Kills the proxies that still run, for `afterEach`: one that a failed test left behind would undo what the next ones
 * write.
 */
export async function killProxies(): Promise<void> {
  await Promise.all([...running].map(proxy => proxy.stop('SIGKILL')))
}

/** A service proxy in a namespace, in a process of its own: its netlink socket belongs to that namespace. */
export class ProxyProcess {
  readonly #child: ChildProcess
  readonly #families: readonly IpFamily[]
  /** Revision of its store by what was written to it: each change counts one. */
  #revision = 0
  readonly #programmed = new Map<IpFamily, number>()
  readonly #log: string[] = []

  constructor(namespace: TestNamespace, settings: ProxySettings, env = process.env) {
    this.#families = settings.families
    this.#child = namespace.spawn(process.execPath, [RUNNER, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
    })
    running.add(this)
    this.#child.once('exit', () => running.delete(this))
    // It may be killed while it is told something.
    this.#child.stdin?.on('error', () => {})
    createInterface({ input: this.#child.stdout as NonNullable<ChildProcess['stdout']> }).on(
      'line',
      line => {
        const { family, revision } = JSON.parse(line) as { family: IpFamily; revision: number }
        this.#programmed.set(family, revision)
      },
    )
    createInterface({ input: this.#child.stderr as NonNullable<ChildProcess['stderr']> }).on(
      'line',
      line => {
        this.#log.push(line)
        process.stderr.write(`${line}\n`)
      },
    )
  }

  /** Has it ended by itself, or been stopped? */
  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** The lines of its log so far: warnings and errors. */
  get log(): readonly string[] {
    return this.#log
  }

  /** Each must differ from what is there: equal objects are no change. */
  set(...objects: readonly ClusterObject[]): void {
    for (const object of objects) this.#write({ set: object })
    this.#revision += objects.length
  }

  delete(kind: Kind, key: string): void {
    this.#write({ delete: [kind, key] })
    this.#revision++
  }

  /** Services and EndpointSlices are complete. */
  sync(): void {
    this.#write({ sync: true })
  }

  /** Until everything is in the kernel; of all families, or of these. */
  async programmed(families = this.#families, limitMs?: number): Promise<void> {
    await eventually(
      'the rules to be programmed',
      () => families.every(family => (this.#programmed.get(family) ?? -1) >= this.#revision),
      limitMs,
    )
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (!running.has(this)) return
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exit
  }

  #write(command: object): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
  }
}
