import type { DestinationId, VirtualServer } from '#linux/ipvs.ts'

export {
  type Destination,
  type DestinationId,
  destinationKey,
  ServerFlag,
  type ServerId,
  serverKey,
  type VirtualServer,
} from '#linux/ipvs.ts'

/** A virtual server and where its connections go to; each destination once, with weight 1. */
export type ServerPlan = VirtualServer & { readonly destinations: readonly DestinationId[] }
