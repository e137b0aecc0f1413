import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, rm } from 'node:fs/promises'
import type { RunningServer } from './dns-servers.ts'

/** What dnsperf is asked to do. */
export type Load = {
  readonly port: number
  /** A file of `NAME TYPE` lines. */
  readonly queries: string
  readonly seconds: number
  /** Queries a second; as many as there is room for when it is not given. */
  readonly rate?: number | undefined
  /** Is the time of each query measured? It costs dnsperf too much for high rates. */
  readonly timed?: boolean | undefined
}

/** One run of dnsperf. */
export type Run = {
  readonly perSecond: number
  /** Of the server, for one query. */
  readonly cpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lost: number
}

/** Queries under way at a time. */
const OUTSTANDING = 100

/** Runs dnsperf on core 1 against a server on core 0. Latencies are NaN when they are not measured. */
export async function measureLoad(server: RunningServer, load: Load): Promise<Run> {
  const { port, queries, seconds, rate, timed = false } = load
  const limits = ['-l', `${seconds}`, '-q', `${OUTSTANDING}`, '-c', '8']
  const paced = rate === undefined ? [] : ['-Q', `${rate}`]
  const ways = [...paced, ...(timed ? ['-v'] : [])]
  const args = ['-s', '127.0.0.1', '-p', `${port}`, ...limits, ...ways, '-d', queries]
  const cpuBefore = await server.cpuSeconds()
  const stdout = await outputOf(['taskset', '-c', '1', 'dnsperf', ...args], `${queries}.out`)
  const cpu = (await server.cpuSeconds()) - cpuBefore
  const numberAfter = (label: string) =>
    Number(new RegExp(`${label}:\\s+([0-9.]+)`).exec(stdout)?.[1])
  const times = Float64Array.from(
    [...stdout.matchAll(/^> \w+ \S+ \S+ (\d+\.\d+)$/gm)].map(([, time]) => Number(time) * 1000),
  ).sort()
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN
  return {
    perSecond: numberAfter('Queries per second'),
    cpuUs: (cpu / numberAfter('Queries completed')) * 1e6,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    lost: numberAfter('Queries lost'),
  }
}

/** What a program says, by a file: reading along would take time from the server or the client. */
async function outputOf([program = '', ...args]: readonly string[], file: string): Promise<string> {
  await using output = await open(file, 'w')
  const child = spawn(program, args, { stdio: ['ignore', output.fd, 'ignore'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}`)
  const text = await readFile(file, 'utf8')
  await rm(file)
  return text
}
