import type { IpFamily } from '#net/ip.ts'
import type { LocalDetector } from '../local-detector.ts'
import { prefixText } from './prefixes.ts'
import { nftFamily } from './table.ts'

/**
 * The match of what pods send. It works in postrouting as well: since Linux 5.7 a forwarded packet still has its input
 * interface there, and one of this node's own processes has none, which is the interface of no pod.
 */
export const fromPods = (detector: LocalDetector, family: IpFamily): string =>
  detector.by === 'source'
    ? `${nftFamily(family)} saddr ${prefixText(detector.prefix)}`
    : `iifname "${detector.name}${detector.isPrefix ? '*' : ''}"`
