import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs, promisify } from 'node:util'
import { bundleProgram } from './bundle-program.ts'

/** What a process took to read a cluster from an API server. */
export type ApiMemoryResult = {
  readonly services: number
  readonly slices: number
  readonly loadMs: number
  /** The longest time in which the event loop had no turn. */
  readonly longestPauseMs: number
  /** Resident memory before. */
  readonly startMiB: number
  /** Resident memory two seconds after. */
  readonly rssMiB: number
  /** The same for everything listed once more into the same store, as after 410. */
  readonly againMs: number
  readonly againMiB: number
  /** The highest it ever was (VmHWM). */
  readonly peakMiB: number
}

/** What an agent may take with 10,000 Services of 2 endpoints each. */
const BUDGET_MIB = 150

/**
 * Reads that many Services, each with a slice of two endpoints, from an API server in another process. The reading process
 * runs a bundle, as what ships does.
 */
export async function measureApi(services: number): Promise<ApiMemoryResult> {
  const folder = await mkdtemp(join(tmpdir(), 'nodeplane-memory-'))
  const server = spawn(
    process.execPath,
    [join(import.meta.dirname, 'api-cluster-server.ts'), String(services)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  try {
    const bundle = join(folder, 'child.mjs')
    await bundleProgram(join(import.meta.dirname, 'cluster-memory-api-child.ts'), bundle)
    const [kubeconfig] = await once(createInterface(server.stdout), 'line')
    const { stdout } = await promisify(execFile)(process.execPath, [bundle, String(kubeconfig)])
    return JSON.parse(stdout) as ApiMemoryResult
  } finally {
    const ended = once(server, 'exit')
    server.stdin.end()
    await ended
    await rm(folder, { recursive: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { services: { type: 'string', default: '10000' } } })
  const result = await measureApi(Number(values.services))
  const verdict = result.peakMiB <= BUDGET_MIB ? 'within' : 'OVER'
  console.log(`${JSON.stringify(result)}: ${verdict} ${BUDGET_MIB} MiB`)
  if (result.peakMiB > BUDGET_MIB) process.exitCode = 1
}
