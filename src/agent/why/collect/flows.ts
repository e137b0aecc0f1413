import { Conntrack } from '#linux/conntrack.ts'
import { formatHostPort } from '#net/ip.ts'
import { UdpDestinations } from '#proxy/udp-destinations.ts'
import { describeError } from '#runtime/error.ts'
import type { FlowFacts, ServiceFacts } from '../facts.ts'
import type { Surroundings } from './surroundings.ts'

/** The UDP flows to the address that is asked about; undefined for other protocols, and where there is no table. */
export async function flowFactsFor(
  { state, reached }: ServiceFacts,
  { log }: Surroundings,
): Promise<FlowFacts | undefined> {
  if (state?.protocol !== 'UDP' || reached === undefined || reached.by === 'pod') return undefined
  const destinations = new UdpDestinations()
  destinations.update(state.service, [{ ...state, endpoints: state.allEndpoints }])
  const { isStale } = destinations.begin({
    addresses: new Set([reached.address]),
    hasLoopback: false,
  })
  const stale = new Set<string>()
  let total = 0
  try {
    using table = Conntrack.open()
    const found = await table.listUdp({ family: reached.family }, flow => {
      if (flow.destination !== reached.address || flow.destinationPort !== reached.port)
        return false
      total++
      if (!isStale(flow)) return false
      stale.add(formatHostPort(flow.replySource, flow.replySourcePort))
      return true
    })
    return { total, stale: [...stale].sort(), staleCount: found.length }
  } catch (error) {
    log.warn({ reason: describeError(error) }, 'the connection tracking table cannot be read')
    return undefined
  }
}
