import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { eventually } from './eventually.ts'

const HTTP = 'http://127.0.0.1:9154'

/** An agent for CNI calls, as it is shipped, in this process's network namespace, at the socket that executables ask. */
export class CniAgent implements AsyncDisposable {
  readonly #child: ChildProcess
  stderr = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  /** Starts a build's agent with a configuration, its file in `folder`, and waits until it takes calls. */
  static async start(
    dist: string,
    folder: string,
    { cni = {}, ...config }: { readonly cni?: object; readonly [key: string]: unknown } = {},
  ): Promise<CniAgent> {
    const file = join(folder, 'agent.yaml')
    const cniOnly = { nodeName: 'node-a', proxy: false, dns: false }
    const journalDir = join(folder, 'journal')
    await writeFile(file, stringify({ ...cniOnly, ...config, cni: { journalDir, ...cni } }))
    const child = spawn(join(dist, 'nodeplane'), ['agent', '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const agent = new CniAgent(child)
    await eventually('the agent to serve', () => {
      if (child.exitCode !== null) throw new Error(agent.stderr)
      return agent.stderr.includes('serving CNI calls')
    })
    return agent
  }

  /** The value of a metric with exactly these labels; 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const body = await (await fetch(`${HTTP}/metrics`)).text()
    const line = body.split('\n').find(each => each.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1) ?? 0)
  }

  async ready(): Promise<string> {
    return (await fetch(`${HTTP}/readyz`)).text()
  }

  get pid(): number {
    return this.#child.pid as number
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill(signal)
    await once(this.#child, 'exit')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL')
  }
}
