import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const PROBE = new URL('./probe.ts', import.meta.url).pathname
const FLOOD = new URL('../../test/fixtures/flood.ts', import.meta.url).pathname

/** A process that watches where the connections to an address go. */
export class Prober implements Disposable {
  readonly #child
  readonly #lines

  private constructor(address: string) {
    this.#child = spawn(process.execPath, [PROBE, address], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  static async start(address: string): Promise<Prober> {
    const prober = new Prober(address)
    await prober.#lines.next()
    return prober
  }

  /** Until a new connection reaches this port. */
  async reaches(port: number): Promise<void> {
    this.#child.stdin.write(`${port}\n`)
    await this.#lines.next()
  }

  [Symbol.dispose](): void {
    this.#child.kill()
  }
}

const PACKETS = 100_000

/** Microseconds of CPU that this machine takes to send the first packet of a connection to an address. */
export const connectionCost = (address: string): number => flood(address)

/** The same of a later packet. */
export const packetCost = (address: string): number => flood(address, 'all')

function flood(address: string, ...more: readonly string[]): number {
  const args = [FLOOD, '192.0.2.1', address, '80', String(PACKETS), ...more]
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' })
  return (JSON.parse(said.split('\n')[1] as string) as { cpuUs: number }).cpuUs
}
