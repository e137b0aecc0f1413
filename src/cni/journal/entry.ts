import type { Attachment } from '../attachment.ts'
import {
  booleanField,
  type ConfigObject,
  configObjectFrom,
  objectField,
  stringField,
} from '../spec/config-object.ts'

/** An ADD of the attachment's chain: what has to be sent again as DEL when nobody else does. */
export type JournalCall = {
  /** The plugin's name. */
  readonly plugin: string
  /** What of the call's environment another call of the same plugin needs. */
  readonly env: Readonly<Record<string, string>>
  /** The configuration as it came, without prevResult. */
  readonly config: Readonly<Record<string, unknown>>
  /** Has the ADD succeeded? */
  readonly isDone: boolean
}

/** What is known of an attachment from the moment its first ADD begins. */
export type JournalEntry = Attachment & {
  readonly netns: string
  /** Device and inode of that namespace: another one may be at the path one day. */
  readonly identity: string
  /** The same of the node's own namespace: several nodes can be simulated on one machine. */
  readonly host: string
  /** The kernel's boot id: no namespace outlives its boot. */
  readonly bootId: string
  /** In the order of the ADDs. */
  readonly calls: readonly JournalCall[]
  /** What the last ADD that succeeded gave, as JSON has it, and in which CNI version. */
  readonly result?: Readonly<Record<string, unknown>> | undefined
}

/** Chains are shorter; a runtime gone wild must not fill the disk. */
const MAX_CALLS = 32

/** The calls with one more; an equal one is not taken twice. */
export const withCall = (
  calls: readonly JournalCall[],
  call: JournalCall,
): readonly JournalCall[] => {
  const textOf = (each: JournalCall) => JSON.stringify({ ...each, isDone: false })
  return [...calls.filter(each => textOf(each) !== textOf(call)), call].slice(-MAX_CALLS)
}

/** The calls with the last one of a plugin done. */
export function withDone(calls: readonly JournalCall[], plugin: string): readonly JournalCall[] {
  const index = calls.findLastIndex(call => call.plugin === plugin)
  return calls.map((call, each) => (each === index ? { ...call, isDone: true } : call))
}

/** The calls without the last one of a plugin: a chain is undone backwards. */
export function withoutCall(calls: readonly JournalCall[], plugin: string): readonly JournalCall[] {
  const index = calls.findLastIndex(call => call.plugin === plugin)
  return calls.filter((_, each) => each !== index)
}

/** Variables that are kept: those that say what is wanted and where programs are. */
export const KEPT_VARIABLES: readonly string[] = [
  'CNI_ARGS',
  'CNI_PATH',
  'CNI_NETNS_OVERRIDE',
  'PATH',
]

const environmentFrom = (object: ConfigObject | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(
    KEPT_VARIABLES.flatMap(key => {
      const value = object && stringField(object, key)
      return value === undefined ? [] : [[key, value]]
    }),
  )

/** An entry read back from its JSON. @throws {CniError | SyntaxError} it is none. */
export function parseEntry(text: string): JournalEntry {
  const value = JSON.parse(text) as { readonly calls?: unknown; readonly result?: object }
  const object = configObjectFrom(value, 'entry')
  const field = (key: string) => stringField(object, key) ?? ''
  const calls = Array.isArray(value.calls) ? value.calls : []
  return {
    network: field('network'),
    containerId: field('containerId'),
    ifname: field('ifname'),
    netns: field('netns'),
    identity: field('identity'),
    host: field('host'),
    bootId: field('bootId'),
    calls: calls.map((call: { readonly config?: Record<string, unknown> }, index) => {
      const of = configObjectFrom(call, `calls[${index}]`)
      return {
        plugin: stringField(of, 'plugin') ?? '',
        env: environmentFrom(objectField(of, 'env')),
        config: objectField(of, 'config') === undefined ? {} : (call.config ?? {}),
        isDone: booleanField(of, 'isDone') ?? false,
      }
    }),
    result: objectField(object, 'result') && (value.result as Record<string, unknown>),
  }
}
