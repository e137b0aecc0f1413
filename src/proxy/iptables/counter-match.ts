/** What rules count besides themselves, by kube-proxy's names of the counters. */
export const packetCounters = {
  /** Segments that were dropped because conntrack calls them INVALID. */
  invalid: 'ct_state_invalid_dropped_pkts',
  /** First packets of connections to node ports on 127.0.0.0/8. */
  localhost: 'localhost_nps_accepted_pkts',
} as const
export type PacketCounter = keyof typeof packetCounters

/** The match that counts. */
export const counted = (counter: PacketCounter): string =>
  `-m nfacct --nfacct-name ${packetCounters[counter]}`
