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
  return rootLogger(
    level,
    terminal ? await prettyStream() : pino.destination({ fd: 2, sync: true }),
  )
}

/** A logger that writes to this stream. */
export function rootLogger(level: LogLevel, stream: DestinationStream): Logger {
  const children = new Set<WeakRef<Logger>>()
  const onChild = (child: Logger) => void children.add(new WeakRef(child))
  const root = pino({ level, base: null, timestamp: stdTimeFunctions.isoTime, onChild }, stream)
  descendants.set(root, children)
  return root
}

/** Of each root; pino's loggers do not know which were made of them. Parts make theirs once, so they stay few. */
const descendants = new WeakMap<Logger, Set<WeakRef<Logger>>>()

/** Changes the level of a root logger while it runs, and of all that were made of it. */
export function setLevel(root: Logger, level: LogLevel): void {
  root.level = level
  const children = descendants.get(root) ?? []
  for (const child of [...children].flatMap(ref => ref.deref() ?? [])) child.level = level
}

/** A logger that says nothing, for commands and tests that need none. */
export const silentLogger = (): Logger => pino({ level: 'silent' })

async function prettyStream(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' })
}
