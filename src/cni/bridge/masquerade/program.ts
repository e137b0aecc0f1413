import { type ExecResult, exec } from '#linux/exec.ts'

/** Where the programs lie when a runtime calls the plugin without PATH, which none promises. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs one of the system's programs to its end. @throws {ExecError} */
export const runProgram = (
  program: string,
  args: readonly string[],
  { input, signal }: { input?: string; signal: AbortSignal },
): Promise<ExecResult> =>
  exec(program, args, {
    input,
    signal,
    env: { ...process.env, PATH: process.env['PATH'] || DEFAULT_PATH },
  })
