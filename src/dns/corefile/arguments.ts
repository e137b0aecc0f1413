import { parsePrefix } from '#net/prefix.ts'
import { parseDuration } from '#runtime/duration.ts'
import type { Directive } from './directive.ts'
import type { DirectiveProblems } from './problem.ts'
import { parseZones } from './zone-key.ts'

/** The milliseconds of a duration as Go writes it, if it is not below zero; else undefined. */
export function parseSpan(text: string): number | undefined {
  const ms = parseDuration(text)
  // `-0s` is zero without a sign.
  return ms !== undefined && ms >= 0 ? Math.abs(ms) : undefined
}

/** The whole number that a text is, if it lies in the range; else undefined. */
export function parseInteger(
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}

/** The zones that arguments of a directive mean; what is none is a problem. */
export function readZones(
  directive: Directive,
  texts: readonly string[],
  problems: DirectiveProblems,
): readonly string[] {
  return texts.flatMap(text => {
    // An address with an impossible length would pass as a name.
    const isBadPrefix = /^[0-9a-f.:]+\/[0-9]+$/i.test(text) && parsePrefix(text) === undefined
    const zones = isBadPrefix ? undefined : parseZones(text)
    if (zones === undefined) problems.add(directive, `${JSON.stringify(text)} is no zone`)
    return zones ?? []
  })
}
