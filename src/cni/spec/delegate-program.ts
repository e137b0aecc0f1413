import { ExecError, type ExecResult, exec } from '#linux/exec.ts'
import type { Clock } from '#runtime/clock.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import { configObjectFrom, integerField, stringField } from './config-object.ts'
import type { DelegateOptions } from './delegate.ts'
import { CniError, cniCodes } from './error.ts'
import type { CniRequest, CniVerb } from './plugin.ts'

/** The largest answer that is read from a delegate. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** How often, and after which waits, a program is started again that is just being replaced. */
const BUSY_TRIES = 5
const BUSY_WAIT_MS = 1000

/**
 * Runs another plugin's program to its end.
 * @returns for ADD, the JSON it printed.
 * @throws {CniError} the program's own error, or code 6 when it printed no JSON.
 */
export async function callProgram(
  executable: string,
  verb: CniVerb,
  raw: CniRequest['raw'],
  options: Pick<DelegateOptions, 'writeStderr' | 'clock'>,
): Promise<unknown> {
  try {
    const { stdout, stderr } = await start(executable, verb, raw, options.clock)
    options.writeStderr(stderr)
    return verb === 'ADD' ? parseJson(stdout) : undefined
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
    options.writeStderr(error.stderr)
    throw answeredError(error) ?? new CniError(cniCodes.internal, describeError(error))
  }
}

async function start(
  executable: string,
  verb: CniVerb,
  raw: CniRequest['raw'],
  clock: Clock,
): Promise<ExecResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await exec(executable, [], {
        input: raw.stdin,
        env: { ...raw.env, CNI_COMMAND: verb },
        // Only the runtime knows how long its plugins may take.
        timeoutMs: 0,
        maxOutputBytes: MAX_ANSWER_BYTES,
      })
    } catch (error) {
      if (errnoCode(error) !== 'ETXTBSY' || tries === BUSY_TRIES) throw error
      await clock.sleep(BUSY_WAIT_MS)
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CniError(cniCodes.decodingFailure, 'the result is not JSON', { cause })
  }
}

/** The error object that a failed program printed, or undefined when it printed none. */
function answeredError({ stdout }: ExecError): CniError | undefined {
  try {
    const answer = configObjectFrom(JSON.parse(stdout))
    const details = stringField(answer, 'details')
    return new CniError(
      integerField(answer, 'code') || cniCodes.internal,
      stringField(answer, 'msg') ?? 'failed without a message',
      details === undefined ? {} : { details },
    )
  } catch {
    return undefined
  }
}
