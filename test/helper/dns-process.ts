import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ExecResult, exec } from '../../src/linux/exec.ts'
import { MAIN } from './build.ts'
import { eventually } from './eventually.ts'

export { freePort } from './free-port.ts'

/** On a machine that is busy with other tests Node alone takes seconds to start. */
const START_MS = 60_000

type StartOptions = {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly cwd?: string
  /** What Node runs; the build of this test run when not given. */
  readonly program?: string
}

/** `nodeplane dns` as a process of its own, and what it said. `await using` ends it. */
export class DnsProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  stdout = ''
  stderr = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  /** Starts the command with these arguments; it may end at once. */
  static spawn({ args = [], env = {}, stdin, cwd, program = MAIN }: StartOptions): DnsProcess {
    const child = spawn(process.execPath, [program, 'dns', ...args], {
      cwd,
      env: { ...process.env, ...env },
    })
    child.stdin?.end(stdin)
    return new DnsProcess(child)
  }

  /** Starts the command and waits for its banner: then it answers. */
  static async start(options: StartOptions): Promise<DnsProcess> {
    const server = DnsProcess.spawn(options)
    const isUp = () => server.stdout.includes('\nnodeplane-')
    try {
      await eventually('the banner', () => isUp() || !server.isRunning, START_MS)
      if (!isUp()) throw new Error(`it ended: ${server.stderr}`)
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
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

  /** Waits for the end; gives the exit code. */
  async exit(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** Writes a Corefile into a folder; gives its path. */
export async function writeCorefile(folder: string, text: string): Promise<string> {
  const path = join(folder, 'Corefile')
  await writeFile(path, text)
  return path
}

/** What dig printed of an answer. */
export type DigAnswer = {
  readonly status: string
  readonly flags: string
  /** Records in the sections, one a line, blanks made single. */
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly additional: readonly string[]
  readonly text: string
}

/** Asks 127.0.0.1 with dig, once. @throws {ExecError} no answer came. */
export async function dig(port: number, ...words: readonly string[]): Promise<DigAnswer> {
  const server = words.some(word => word.startsWith('@')) ? [] : ['@127.0.0.1']
  const { stdout } = await exec('dig', [
    ...server,
    '-p',
    `${port}`,
    '+tries=1',
    '+time=3',
    ...words,
  ])
  return parseDig(stdout)
}

function parseDig(text: string): DigAnswer {
  const section = (name: string): readonly string[] => {
    const [, body = ''] = new RegExp(`;; ${name} SECTION:\n((?:.+\n)*)`).exec(text) ?? []
    return body
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.replace(/\s+/g, ' '))
  }
  return {
    status: /status: ([A-Z0-9]+)/.exec(text)?.[1] ?? '',
    flags: /;; flags: ([a-z ]*);/.exec(text)?.[1] ?? '',
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
    text,
  }
}

/** GETs a URL with curl. */
export async function curl(url: string): Promise<{ status: number; body: string }> {
  const { stdout }: ExecResult = await exec('curl', [
    '-s',
    '--max-time',
    '5',
    '-w',
    '\n%{http_code}',
    url,
  ])
  const end = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
}

/** Sends one datagram to 127.0.0.1; gives the answer, or undefined when `silence` is answered first. */
export async function sendDatagram(
  port: number,
  packet: Uint8Array,
  silence: Uint8Array,
): Promise<Uint8Array | undefined> {
  await using socket = createSocket('udp4')
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.send(packet)
  // UDP on loopback keeps the order: what is not answered before the second packet is not answered at all.
  socket.send(silence)
  const [answer] = (await once(socket, 'message')) as [Buffer]
  return answer.readUInt16BE(0) === Buffer.from(silence).readUInt16BE(0) ? undefined : answer
}
