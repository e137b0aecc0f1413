import type { Labels } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'

/** What there is of pods' names: none, any address, or only addresses that a Pod has. */
export type PodMode = 'disabled' | 'insecure' | 'verified'

/** What answers depend on beside the cluster. */
export type ZoneOptions = {
  /** The zone of PTR targets: the first one that is not reverse. Ends in a dot. */
  readonly primaryZone: string
  /** Seconds. */
  readonly ttl: number
  readonly pods: PodMode
  /** Only these namespaces have names; undefined: all. */
  readonly namespaces: ReadonlySet<string> | undefined
  /** Only namespaces with such labels exist; undefined: all. */
  readonly selectsNamespace: ((labels: Labels) => boolean) | undefined
  /** A Service with cluster IP and without counted endpoint does not exist. */
  readonly ignoreEmptyServices: boolean
  /** Have headless Services names for the endpoints in a zone of the topology? */
  readonly zonal: boolean
  /** Addresses of this server, without loopback. */
  readonly localAddresses: readonly IpAddress[]
}
