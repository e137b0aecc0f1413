import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

export type ProgramAnswer = {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export type ProgramCall = {
  readonly program: string
  readonly env: NodeJS.ProcessEnv
  readonly config: unknown
  readonly cwd?: string
}

/** Starts a plugin as a container runtime does: with this environment and nothing else. */
export function startPlugin(call: ProgramCall): ChildProcessWithoutNullStreams {
  const { program, env, config, cwd = '/' } = call
  const child = spawn(program, [], { env, cwd, stdio: 'pipe' })
  // A plugin may end, or be killed, before it has read everything.
  child.stdin.on('error', () => {})
  child.stdin.end(typeof config === 'string' ? config : JSON.stringify(config))
  return child
}

/** Runs a plugin to its end. */
export function runPlugin(call: ProgramCall): Promise<ProgramAnswer> {
  return answerOf(startPlugin(call))
}

/** Reads a started plugin to its end. */
export function answerOf(child: ChildProcessWithoutNullStreams): Promise<ProgramAnswer> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }))
  })
}
