import t from 'tap'
import { longestZone } from '#dns/name.ts'
import { lookup } from '#dns/zone/lookup.ts'
import type { Outcome } from '#dns/zone/outcome.ts'
import type { ZoneOptions } from '#dns/zone/zone-options.ts'
import { recordsAsText } from './records-as-text.ts'
import { indexOf, sampleObjects, zoneOptions } from './sample-cluster.ts'

/** Answers, then additionals with `+ ` in front; or the word for an answer without records. */
export type Expected = readonly string[] | 'NODATA' | 'NXDOMAIN' | 'REFUSED'
export type Row = readonly [fact: string, type: string, name: string, expected: Expected]

const zones = ['cluster.local.', 'in-addr.arpa.', 'ip6.arpa.']
export const index = indexOf(sampleObjects, 1_700_000_000_999)

function asText(outcome: Outcome): Expected {
  switch (outcome.kind) {
    case 'answer':
      return [
        ...recordsAsText(outcome.answers),
        ...recordsAsText(outcome.additionals).map(line => `+ ${line}`),
      ]
    case 'alias':
      return [...recordsAsText(outcome.chain), `→ ${outcome.target}`]
    case 'no-data':
      return 'NODATA'
    case 'name-error':
      return 'NXDOMAIN'
    case 'refused':
      return 'REFUSED'
  }
}

/** `D` stands for the cluster's zone. */
const inFull = (text: string): string => text.replaceAll(/(?<=^|[. ])D(?= |$)/g, 'cluster.local.')

/** What the zone says of a name. */
export function ask(name: string, type: string, options: ZoneOptions, zoneIndex = index): Expected {
  const zone = longestZone(zones, name.toLowerCase())
  if (zone === undefined) throw new Error(`${name} is in none of the zones`)
  return asText(
    lookup(zoneIndex, options, { name, type, zone: name.slice(name.length - zone.length) }),
  )
}

/** One test of a table of questions, by default to the sample cluster. */
export function check(
  subject: string,
  rows: readonly Row[],
  options = zoneOptions(),
  zoneIndex = index,
) {
  t.test(subject, async t => {
    for (const [fact, type, name, expected] of rows) {
      const want = typeof expected === 'string' ? expected : expected.map(inFull)
      t.strictSame(ask(inFull(name), type, options, zoneIndex), want, `${fact}: ${type} ${name}`)
    }
  })
}
