import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ExecOptions, type ExecResult, exec } from '#linux/exec.ts'

/**
 * A network namespace for one test: a host of its own, with loopback up. `await using` removes it, its links and the
 * processes that were spawned in it, also when the test fails.
 */
export class TestNamespace implements AsyncDisposable {
  readonly name: string
  readonly #children = new Set<ChildProcess>()

  private constructor(name: string) {
    this.name = name
  }

  /** `label` makes listings readable; the name is unique. */
  static async create(label: string): Promise<TestNamespace> {
    const namespace = new TestNamespace(`${label}-${randomBytes(3).toString('hex')}`)
    await exec('ip', ['netns', 'add', namespace.name])
    await namespace.exec('ip', ['link', 'set', 'lo', 'up'])
    return namespace
  }

  /** The path that CNI calls get as CNI_NETNS. */
  get path(): string {
    return `/run/netns/${this.name}`
  }

  /** Runs a program in the namespace to its end. @throws {ExecError} */
  exec(program: string, args: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return exec('ip', ['netns', 'exec', this.name, program, ...args], options)
  }

  /** Runs `ip …` in the namespace; the words are split at blanks. */
  async ip(words: string): Promise<string> {
    return (await exec('ip', ['-n', this.name, ...words.split(' ')])).stdout
  }

  /** Starts a program in the namespace; it is killed with the namespace. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exits = [...this.#children].map(child => once(child, 'exit'))
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(exits)
    await exec('ip', ['netns', 'del', this.name])
  }
}

/** Joins two namespaces by a veth pair; both ends are up and have their addresses (`ADDRESS/LENGTH`). */
export async function joinNamespaces(
  a: { namespace: TestNamespace; link: string; addresses: readonly string[] },
  b: { namespace: TestNamespace; link: string; addresses: readonly string[] },
): Promise<void> {
  await a.namespace.ip(`link add ${a.link} type veth peer name ${b.link} netns ${b.namespace.name}`)
  for (const { namespace, link, addresses } of [a, b]) {
    for (const address of addresses) {
      // Without duplicate detection an IPv6 address works at once.
      const nodad = address.includes(':') ? ' nodad' : ''
      await namespace.ip(`address add ${address} dev ${link}${nodad}`)
    }
    await namespace.ip(`link set ${link} up`)
  }
}
