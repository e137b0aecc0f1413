import type { IpFamily } from '#net/ip.ts'
import type { LocalDetector } from '../local-detector.ts'
import { prefixText } from './prefixes.ts'
import { nftFamily } from './table.ts'

/** The match of what pods send, where packets come in. */
export const fromPods = (detector: LocalDetector, family: IpFamily): string =>
  detector.by === 'source'
    ? `${nftFamily(family)} saddr ${prefixText(detector.prefix)}`
    : `iifname ${interfaceText(detector)}`

/**
 * Rules that return for what pods send, in postrouting. Since Linux 5.7 a forwarded packet still has its input interface
 * there; one of this node's own processes has none. Neither has one that br_netfilter shows on its way from port to port
 * of a bridge: its input interface was the bridge that it goes out by, and its source is not local.
 */
export const exceptPods = (
  detector: LocalDetector | undefined,
  family: IpFamily,
): readonly string[] => {
  if (detector === undefined) return []
  const returns = `${fromPods(detector, family)} return`
  if (detector.by === 'source') return [returns]
  return [returns, `iif 0 oifname ${interfaceText(detector)} fib saddr type != local return`]
}

const interfaceText = ({ name, isPrefix }: LocalDetector & { by: 'interface' }): string =>
  `"${name}${isPrefix ? '*' : ''}"`
