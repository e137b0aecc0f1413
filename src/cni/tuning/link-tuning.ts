import type { Link, LinkChange } from '#linux/netlink/link-message.ts'
import { isContainerInterface } from '../chained.ts'
import type { CniResult } from '../spec/result.ts'
import type { LinkTuning } from './config.ts'

const names = {
  mac: 'MAC',
  mtu: 'MTU',
  isPromiscuous: 'promiscuous mode',
  isAllMulticast: 'all-multicast mode',
  txQueueLength: 'transmit queue length',
} as const satisfies Record<keyof LinkTuning, string>

const keys = Object.keys(names) as (keyof LinkTuning)[]

/** Is there anything to change? */
export const isTuned = (tuning: LinkTuning): boolean => keys.some(key => tuning[key] !== undefined)

/** What the link has now of that which is to be changed. */
export function presentOf(tuning: LinkTuning, link: Link): LinkTuning {
  return Object.fromEntries(
    keys.filter(key => tuning[key] !== undefined).map(key => [key, link[key]]),
  )
}

/** The change that makes a link as it is wished. */
export const changeOf = (tuning: LinkTuning): LinkChange =>
  Object.fromEntries(Object.entries(tuning).filter(([, value]) => value !== undefined))

/** What of the link is not as it is wished. */
export const tuningDifferences = (tuning: LinkTuning, link: Link): readonly string[] =>
  keys
    .filter(key => tuning[key] !== undefined && tuning[key] !== link[key])
    .map(key => `${names[key]} of ${link.name} is ${link[key]}, not ${tuning[key]}`)

/** The result with the interface's new MAC, and its MTU where the result says one. */
export function tunedResult(result: CniResult, ifname: string, tuning: LinkTuning): CniResult {
  const { mac, mtu } = tuning
  const interfaces = result.interfaces.map(link => {
    if (!isContainerInterface(link, ifname)) return link
    return {
      ...link,
      ...(mac === undefined ? {} : { mac }),
      ...(mtu === undefined || link.mtu === undefined ? {} : { mtu }),
    }
  })
  return { ...result, interfaces }
}
