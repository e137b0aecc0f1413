import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { MAIN } from './build.ts'
import { eventually } from './eventually.ts'
import type { TestNamespace } from './namespace.ts'

/** One line of the agent's log. */
export type AgentLogLine = {
  readonly level: number
  readonly time: string
  readonly msg: string
  readonly [field: string]: unknown
}

type StartOptions = {
  /** Path of the agent's configuration. */
  readonly config: string
  readonly env?: Readonly<Record<string, string>> | undefined
  /** What runs it, before `node`: a program with its arguments. */
  readonly through?: readonly string[]
  /** The program, with its first arguments; default: the sources. */
  readonly program?: readonly string[]
}

/** `nodeplane agent` in a namespace, as a process of its own. `await using` ends it. */
export class AgentProcess implements AsyncDisposable {
  readonly #namespace: TestNamespace
  readonly #child: ChildProcess
  stdout = ''
  stderr = ''

  private constructor(namespace: TestNamespace, child: ChildProcess) {
    this.#namespace = namespace
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  /** Starts it; it may end at once. */
  static spawn(namespace: TestNamespace, options: StartOptions): AgentProcess {
    const { config, env, through = [], program = [process.execPath, MAIN] } = options
    const command = [...through, ...program, 'agent', '--config', config]
    const child = namespace.spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    return new AgentProcess(namespace, child)
  }

  /** Starts it and waits until it is ready. */
  static async start(namespace: TestNamespace, options: StartOptions): Promise<AgentProcess> {
    const agent = AgentProcess.spawn(namespace, options)
    await agent.ready()
    return agent
  }

  async ready(): Promise<void> {
    await eventually(
      'the agent to be ready',
      async () => {
        if (!this.isRunning) return true
        return (await this.get('/readyz')).status === 200
      },
      60_000,
    )
    if (!this.isRunning) throw new Error(`the agent ended: ${this.stderr}`)
  }

  /** GETs a path of its HTTP server. @throws {ExecError} nobody listens. */
  async get(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const url = `http://127.0.0.1:9154${path}`
    const args = ['-sS', '-m', '5', '-w', '\n%{http_code}', url]
    const { stdout } = await this.#namespace.exec('curl', args)
    const end = stdout.lastIndexOf('\n')
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
  }

  /** Its log; every line must be JSON. */
  get log(): readonly AgentLogLine[] {
    const whole = this.stderr.slice(0, this.stderr.lastIndexOf('\n') + 1)
    return whole
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as AgentLogLine)
  }

  /** The lines at a level or above (pino: 40 warn, 50 error). */
  loggedFrom(level: number): readonly AgentLogLine[] {
    return this.log.filter(line => line.level >= level)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for its end; gives the exit code, or null when a signal ended it. */
  async exit(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
