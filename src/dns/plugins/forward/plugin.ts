import { type Clock, systemClock } from '#runtime/clock.ts'
import { type Query, type Reply, reply } from '../../message.ts'
import type { Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { untilAborted } from '../../until-aborted.ts'
import { type ForwardMetrics, forwardMetrics } from './forward-metrics.ts'
import { Forwarder } from './forwarder.ts'
import { type ForwardOptions, parseForward } from './options.ts'

/** The `forward` plugin: other servers answer. */
export const forwardPlugin = (
  clock: Clock = systemClock,
  random: () => number = Math.random,
): PluginDefinition => ({
  name: 'forward',
  repeatable: true,
  async setup(directives, { directory, metrics: registry }: SetupContext): Promise<Plugin> {
    const metrics = forwardMetrics(registry)
    const forwarders = (await parseForward(directives, directory)).map(
      options => new LimitedForwarder(new Forwarder(options, { clock, metrics, random }), metrics),
    )
    return {
      name: 'forward',
      fastPath: true,
      wrap: next => (query, signal) => {
        const name = query.question.name.toLowerCase()
        const first = forwarders.findIndex(({ forwarder }) => forwarder.matches(name))
        const own = forwarders[first]
        if (own === undefined) return next(query, signal)
        const others = forwarders
          .slice(first + 1)
          .filter(({ forwarder }) => forwarder.matches(name))
        return others.length === 0
          ? own.ask(query, signal)
          : askInTurn([own, ...others], query, signal)
      },
      stop() {
        for (const { forwarder } of forwarders) forwarder.close()
      },
    }
  },
})

/** The first directive's answer, unless it hands the question over to the next one. */
async function askInTurn(
  forwarders: readonly LimitedForwarder[],
  query: Query,
  signal: AbortSignal,
): Promise<Reply> {
  const [first, ...others] = forwarders
  if (first === undefined) throw new TypeError('forward: nobody to ask')
  const answer = await first.ask(query, signal)
  return others.length > 0 && handsOver(first.forwarder.options, answer)
    ? askInTurn(others, query, signal)
    : answer
}

const handsOver = ({ next, nextOnNoData }: ForwardOptions, { rcode, answers }: Reply): boolean =>
  next.has(rcode) || (nextOnNoData && rcode === 'NOERROR' && answers.length === 0)

/** Refuses queries when too many are under way (`max_concurrent`): a flood must not pile up. */
class LimitedForwarder {
  readonly forwarder: Forwarder
  readonly #metrics: ForwardMetrics
  #underWay = 0

  constructor(forwarder: Forwarder, metrics: ForwardMetrics) {
    this.forwarder = forwarder
    this.#metrics = metrics
  }

  async ask(query: Query, signal: AbortSignal): Promise<Reply> {
    if (this.#underWay >= this.forwarder.options.maxConcurrent) {
      this.#metrics.rejected()
      return reply({ rcode: 'REFUSED' })
    }
    this.#underWay++
    try {
      return await untilAborted(this.forwarder.ask(query), signal)
    } finally {
      this.#underWay--
    }
  }
}
