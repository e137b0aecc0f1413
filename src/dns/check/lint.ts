import type { ConfigProblem } from '#runtime/error.ts'
import type { Directive, ServerBlock } from '../corefile/directive.ts'
import type { Corefile } from '../corefile/parser.ts'
import { parseZoneKey } from '../corefile/zone-key.ts'

type Rule = (block: ServerBlock) => readonly ConfigProblem[]

/** What in a Corefile is allowed but seldom meant, with what to write instead. Pure. */
export const lintCorefile = ({ blocks }: Corefile): readonly ConfigProblem[] =>
  blocks.flatMap(block => rules.flatMap(rule => rule(block)))

const named = ({ directives }: ServerBlock, name: string): readonly Directive[] =>
  directives.filter(directive => directive.name === name)

const warn = ({ name, position }: Directive, message: string): ConfigProblem => ({
  ...position,
  field: name,
  message,
})

const zonesOf = (texts: readonly string[]): readonly string[] =>
  texts.flatMap(text => {
    const key = parseZoneKey(text)
    return typeof key === 'string' ? [] : key.zones
  })

const isReverse = (zone: string): boolean => /(^|\.)(in-addr|ip6)\.arpa\.$/.test(zone)
const WHOLE_REVERSE = new Set(['in-addr.arpa.', 'ip6.arpa.', 'arpa.', '.'])

/** Nothing would say why an answer failed. */
const errorsAreSeen: Rule = block => {
  const first = named(block, 'forward')[0] ?? named(block, 'kubernetes')[0]
  if (first === undefined || named(block, 'errors').length > 0) return []
  return [warn(first, 'failed queries are not logged; add `errors` to the block')]
}

/** The plugin is authoritative for all reverse zones: addresses that are not the cluster's get NXDOMAIN. */
const reverseFallsThrough: Rule = block =>
  named(block, 'kubernetes').flatMap(directive => {
    const zones = zonesOf(directive.args.length > 0 ? directive.args : block.keys)
    const reverse = zones.filter(zone => isReverse(zone) && WHOLE_REVERSE.has(zone))
    const fallthrough = directive.block?.find(({ name }) => name === 'fallthrough')
    if (reverse.length === 0 || fallthrough !== undefined || named(block, 'forward').length === 0)
      return []
    const zoneList = reverse.map(zone => zone.slice(0, -1)).join(' ')
    return [
      warn(
        directive,
        `addresses outside the cluster will have no name; add \`fallthrough ${zoneList}\``,
      ),
    ]
  })

/** Of the block's names none gets to a plugin that has zones of its own. */
const zonesAreServed: Rule = block => {
  const served = zonesOf(block.keys)
  return ['kubernetes', 'file', 'secondary'].flatMap(name =>
    named(block, name).flatMap(directive => {
      const args = name === 'file' ? directive.args.slice(1) : directive.args
      const lost = zonesOf(args).filter(zone => !served.some(key => isWithin(zone, key)))
      return lost.map(zone =>
        warn(
          directive,
          `${zone} is not in a zone of this block, so no query for it comes here; add it to the block's zones: ${block.keys.join(' ')}`,
        ),
      )
    }),
  )
}

const isWithin = (zone: string, parent: string): boolean =>
  parent === '.' || zone === parent || zone.endsWith(`.${parent}`)

/** A server that asks itself answers nothing. */
const forwardsElsewhere: Rule = block =>
  named(block, 'forward').flatMap(directive => {
    if (named(block, 'loop').length > 0) return []
    const [, ...targets] = directive.args
    const own = targets.find(target => /^(dns:\/\/)?(127\.|\[?::1\b)/.test(target))
    if (own === undefined) return []
    return [
      warn(
        directive,
        `${own} may be this server itself; add \`loop\`, which tells, or name another server`,
      ),
    ]
  })

/** Cached names of the cluster are as old as their TTL; without a cache they are always right, and as fast. */
const clusterIsNotCached: Rule = block => {
  const cache = named(block, 'cache')[0]
  const zones = named(block, 'kubernetes').flatMap(({ args }) =>
    args.filter(arg => !zonesOf([arg]).some(isReverse)),
  )
  const [zone] = zones
  if (cache === undefined || zone === undefined) return []
  const disabled = (cache.block ?? []).filter(({ name }) => name === 'disable')
  if (disabled.length > 0) return []
  return [
    warn(
      cache,
      `names of the cluster will be as old as their TTL; add \`disable success ${zone}\` and \`disable denial ${zone}\``,
    ),
  ]
}

const rules: readonly Rule[] = [
  errorsAreSeen,
  zonesAreServed,
  reverseFallsThrough,
  forwardsElsewhere,
  clusterIsNotCached,
]
