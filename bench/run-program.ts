import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs a program to its end, without blocking: 20 of them have to run side by side. Gives what it printed. @throws {Error} it failed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env = process.env, input = '' }: { env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<string> {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  // It may end before it has read.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`${program}: exit status ${status}: ${stdout}`)
  return stdout
}
