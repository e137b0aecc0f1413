import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import { isRecordOf, type Reply, type ResourceRecord } from '../../message.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { WatchedFile } from '../watched-file.ts'
import { type LoadbalanceOptions, parseLoadbalance } from './options.ts'
import { isAddress, shuffleSection } from './shuffle.ts'
import { parseWeights, WeightFileError, type Weights, weightedFirst } from './weights.ts'

/** A name and its addresses are a few lines; octets. */
const MAX_WEIGHTS_OCTETS = 4 * 1024 * 1024

type Arrange = (records: readonly ResourceRecord[]) => readonly ResourceRecord[]

/** `loadbalance`: gives addresses and MX records in another order with every answer. */
export const loadbalance: PluginDefinition = {
  name: 'loadbalance',
  repeatable: true,
  async setup(directives, context) {
    const [options, directive] = directives
      .map(each => [parseLoadbalance(each, context.directory), each] as const)
      .at(-1) ?? [undefined, undefined]
    if (options === undefined) throw new TypeError('loadbalance: set up without directive')
    const { weights: from, preferred } = options
    const weights = from && (await openWeights(directive, from, context))
    const choose: Arrange = records =>
      weights === undefined
        ? shuffleSection(records, Math.random)
        : weightedFirst(records, weights.now(), Math.random)
    const arrange: Arrange = records => preferredFirst(choose(records), preferred)
    const rotates = (reply: Reply) => weights === undefined && isOneGroup(reply.answers, preferred)
    return {
      name: 'loadbalance',
      fastPath: true,
      wrap: next => async (query, signal) => {
        const reply = await next(query, signal)
        return reply && arranged(reply, arrange, rotates(reply))
      },
      start: () => weights?.file.start(),
      stop: () => weights?.file.stop(),
    }
  },
}

/**
 * The fast path makes its own order of addresses, from one that is always the same; it has one way to do so, so where an order
 * depends on the addresses the answer is made anew each time.
 */
function arranged({ remember, ...reply }: Reply, arrange: Arrange, rotates: boolean): Reply {
  const inOrder: Reply = {
    ...reply,
    answers: arrange(reply.answers),
    authorities: arrange(reply.authorities),
    additionals: arrange(reply.additionals),
  }
  if (remember === undefined || !rotates) return inOrder
  const unshuffled: Arrange = records => shuffleSection(records, leaveInOrder)
  const again = (other: Reply) => arranged(other, unshuffled, false)
  return {
    ...inOrder,
    remember: { ...remember, again: query => again(remember.again(query)), rotates: true },
  }
}

/** Fisher and Yates's shuffle changes nothing with numbers next to 1. */
const leaveInOrder = (): number => 1 - Number.EPSILON

/** The records with the addresses in the preferred subnets before the others; all else keeps its place. */
function preferredFirst(
  records: readonly ResourceRecord[],
  preferred: readonly IpPrefix[],
): readonly ResourceRecord[] {
  if (isOneGroup(records, preferred)) return records
  const [first, rest] = [true, false].map(wanted =>
    records.filter(record => isAddress(record) && isPreferred(record, preferred) === wanted),
  )
  const ordered = [...(first ?? []), ...(rest ?? [])].values()
  return records.map(record =>
    isAddress(record) ? (ordered.next().value as ResourceRecord) : record,
  )
}

/** Is every address preferred, or none? */
function isOneGroup(records: readonly ResourceRecord[], preferred: readonly IpPrefix[]): boolean {
  if (preferred.length === 0) return true
  return new Set(records.filter(isAddress).map(record => isPreferred(record, preferred))).size < 2
}

const isPreferred = (record: ResourceRecord, preferred: readonly IpPrefix[]): boolean =>
  (isRecordOf(record, 'A') || isRecordOf(record, 'AAAA')) &&
  preferred.some(prefix => prefixContains(prefix, record.data))

/**
 * The weights of a file, as it was when it last could be read. A file that is not there yet is waited for.
 * @throws {ConfigError} the file cannot be read as one of weights.
 */
async function openWeights(
  directive: Directive,
  { path, reloadMs }: NonNullable<LoadbalanceOptions['weights']>,
  { log }: SetupContext,
): Promise<{ readonly file: WatchedFile; readonly now: () => Weights }> {
  let weights: Weights | undefined
  let failure: unknown
  const file = new WatchedFile({
    path,
    intervalMs: reloadMs,
    maxOctets: MAX_WEIGHTS_OCTETS,
    onText(text) {
      try {
        weights = parseWeights(text)
      } catch (error) {
        failure = error
        throw error
      }
    },
    onFailure: reason => log.warn({ path, reason }, 'loadbalance: the weights cannot be read'),
  })
  await file.look()
  if (weights === undefined && (failure instanceof WeightFileError || reloadMs === 0)) {
    const why = failure instanceof WeightFileError ? failure.message : 'cannot be read'
    throw directiveError(directive, `${path}: ${why}`)
  }
  return { file, now: () => weights ?? NO_WEIGHTS }
}

const NO_WEIGHTS: Weights = new Map()
