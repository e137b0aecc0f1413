import { type IpFamily, ipFamilies } from '#net/ip.ts'
import { type Attachment, attachmentMark, isMarkedBy } from '../../attachment.ts'
import { countSharedRules, listTable, retried, runNft } from '../../nft.ts'
import type { FamilyPlan } from '../plan.ts'
import { type MarkedThing, parseHostPortListing } from './listing.ts'
import {
  hostPortTable,
  placeOf,
  renderHostPortTable,
  renderMappings,
  renderRemoval,
} from './render.ts'

/**
 * Maps the ports of an attachment, in place of what it had before. One transaction: there is no moment with half of them.
 * @param localnet the link towards the container, when it may be reached from loopback.
 * @throws {ExecError} nft refused, or is not there.
 */
export async function addNftMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  { localnet, signal }: { readonly localnet: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const render = (isTaken: (key: string) => boolean) =>
    plans.map(plan => renderMappings(attachment, plan, { isTaken, localnet: localnetOf(plan) }))
  const localnetOf = ({ family }: FamilyPlan) => (family === 4 ? localnet : undefined)
  try {
    // Nearly always the tables are there and nobody has these ports.
    await runNft(render(() => false).join(''), signal)
  } catch {
    await retried(async () => {
      const things = await listHostPorts(signal)
      const mark = attachmentMark(attachment)
      const own = things.filter(({ comment }) => isMarkedBy(comment, mark))
      const others = keysOf(things.filter(({ comment }) => !isMarkedBy(comment, mark)))
      const tables = plans.map(({ family }) => renderHostPortTable(family)).join('')
      // The former elements must be gone before equal ones can be made.
      const text = [tables, renderRemoval(own), ...render(key => others.has(key))].join('')
      await runNft(text, signal)
    })
  }
}

/** The keys of mappings, of both families: an address tells them apart, and a port alone is rarely of one only. */
const keysOf = (things: readonly MarkedThing[]): ReadonlySet<string> =>
  new Set(things.flatMap(({ at }) => (at.kind === 'element' ? [at.key] : [])))

/** Removes what `isUnwanted` names by its comment, and says how much. @throws {ExecError} */
export async function removeNftMappings(
  isUnwanted: (comment: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  return await retried(async () => {
    const unwanted = (await listHostPorts(signal)).filter(({ comment }) => isUnwanted(comment))
    if (unwanted.length > 0) await runNft(renderRemoval(unwanted), signal)
    return unwanted.length
  })
}

/** What of the plans is not in the kernel; empty: all is. @throws {ExecError} */
export async function missingNftMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  return missingMappings(attachment, plans, await listHostPorts(signal))
}

/** What of the plans is not among these things. Pure. */
export function missingMappings(
  attachment: Attachment,
  plans: readonly FamilyPlan[],
  things: readonly MarkedThing[],
): readonly string[] {
  const mark = attachmentMark(attachment)
  const own = things.filter(({ comment }) => isMarkedBy(comment, mark))
  return plans.flatMap(({ family, mappings }) => {
    const ofFamily = own.filter(thing => thing.family === family)
    const keys = keysOf(ofFamily)
    // Rules are counted: what they match is the kernel's to say, in words of its own.
    let rules = ofFamily.filter(({ at }) => at.kind === 'rule').length
    return mappings.flatMap(mapping => {
      const { key } = placeOf(mapping)
      if (keys.has(key) || rules-- > 0) return []
      return [`no mapping of ${key.replaceAll(' . ', ' ')} in table ${hostPortTable(family)}`]
    })
  })
}

/** What the tables of both families hold. */
export type HostPorts = {
  /** What belongs to an attachment. */
  readonly things: readonly MarkedThing[]
  /** Families whose table lacks rules that all mappings need: somebody has flushed it, or it is not there. */
  readonly broken: ReadonlySet<IpFamily>
}

/** Lists both tables once. @throws {ExecError} */
export async function readHostPorts(signal: AbortSignal): Promise<HostPorts> {
  const listings = await Promise.all(
    ipFamilies.map(async family => ({
      family,
      text: await listTable(hostPortTable(family), signal),
    })),
  )
  return {
    things: listings.flatMap(({ family, text }) =>
      text === undefined ? [] : parseHostPortListing(text, family),
    ),
    broken: new Set(
      listings
        .filter(({ family, text }) => text === undefined || !hasSharedRules(family, text))
        .map(({ family }) => family),
    ),
  }
}

function hasSharedRules(family: IpFamily, listing: string): boolean {
  const wanted = renderHostPortTable(family).match(/^add rule /gm)?.length ?? 0
  return (
    countSharedRules(listing)
      .values()
      .reduce((sum, count) => sum + count, 0) >= wanted
  )
}

const listHostPorts = async (signal: AbortSignal): Promise<readonly MarkedThing[]> =>
  (await readHostPorts(signal)).things
