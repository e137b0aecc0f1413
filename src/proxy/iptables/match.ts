import type { IpAddress } from '#net/ip.ts'
import { formatPrefix, hostPrefix, networkOf } from '#net/prefix.ts'
import type { LocalDetector } from '../local-detector.ts'

/** One address as iptables prints it. */
export const hostText = (ip: IpAddress): string => formatPrefix(hostPrefix(ip))

/** A match of traffic from pods, or with `! ` of all other. */
export const fromPods = (detector: LocalDetector, not: '! ' | '' = '') =>
  detector.by === 'source'
    ? { source: `${not}-s ${formatPrefix(networkOf(detector.prefix))}` }
    : { input: `${not}-i ${detector.name}${detector.isPrefix ? '+' : ''}` }

/** The kernel holds a chance in 31 bits. A rule sees what those before it let pass: 1/n, 1/(n−1), … 1 spread evenly. */
export function chance(outOf: number): string {
  const probability = Math.round(2 ** 31 / outOf) / 2 ** 31
  return `-m statistic --mode random --probability ${probability.toFixed(11)}`
}
