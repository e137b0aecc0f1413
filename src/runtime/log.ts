import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'

/** The logger that every part is handed: pino, with `component` bound once per part. */
export type Logger = PinoLogger

/** Names of levels, most talkative first. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * The root logger of a process. It writes to stderr: stdout belongs to the answers of the commands.
 * On a terminal the lines are for people, otherwise they are JSON.
 */
export async function createLogger(level: LogLevel, terminal: boolean): Promise<Logger> {
  const options = { level, base: null, timestamp: stdTimeFunctions.isoTime }
  return pino(options, terminal ? await prettyStream() : pino.destination({ fd: 2, sync: true }))
}

/** A logger that says nothing, for commands and tests that need none. */
export const silentLogger = (): Logger => pino({ level: 'silent' })

async function prettyStream(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' })
}
