import type { Cause } from '../cause.ts'
import type { EndpointFacts, Facts, PodLink } from '../facts.ts'

type Hop = {
  readonly name: string
  readonly mtu: number
  readonly isPod: boolean
  /** A bridge takes the least MTU of its ports, so it is seldom the one that was changed. */
  readonly isShared: boolean
}

/** A pod sends larger packets than a link on the way takes: small answers come, large ones never. */
export const mtuWrong: Cause = facts => {
  for (const endpoint of facts.endpoints) {
    const hops = hopsTo(endpoint, facts)
    // A pod that itself takes less says so to its peers (RFC 9293 section 3.7.1, MSS).
    const [narrowest] = hops
      .filter(({ isPod }) => !isPod)
      .toSorted((a, b) => a.mtu - b.mtu || Number(a.isShared) - Number(b.isShared))
    const wide = hops.find(({ isPod, mtu }) => isPod && mtu > (narrowest?.mtu ?? mtu))
    if (narrowest === undefined || wide === undefined) continue
    return {
      cause: 'mtu-wrong',
      step: 'route',
      message: `${wide.name} sends packets of up to ${wide.mtu} bytes, but ${narrowest.name} on the way takes ${narrowest.mtu}`,
      fix: `give them one MTU: that of ${narrowest.name} was changed, or the mtu of the CNI configuration is too large; pods get a new one when they are made anew`,
    }
  }
  return undefined
}

function hopsTo(endpoint: EndpointFacts, { client }: Facts): readonly Hop[] {
  const { link } = endpoint.route ?? {}
  return [
    ...podHops(client.link, client.pod?.metadata.name ?? 'the client'),
    ...(link === undefined || endpoint.route?.kind !== 'unicast'
      ? []
      : [{ ...link, isPod: false, isShared: true }]),
    ...podHops(endpoint.link, endpoint.pod ?? endpoint.address),
  ]
}

function podHops(link: PodLink | undefined, pod: string): readonly Hop[] {
  if (link === undefined) return []
  const { host } = link
  return [
    { name: `${link.name} of ${pod}`, mtu: link.mtu, isPod: true, isShared: false },
    ...(host === undefined
      ? []
      : [{ name: host.name, mtu: host.mtu, isPod: false, isShared: false }]),
    ...(host?.bridge === undefined ? [] : [{ ...host.bridge, isPod: false, isShared: true }]),
  ]
}
