import {
  type Destination,
  type DestinationId,
  destinationKey,
  type Ipvs,
  type ServerId,
  serverKey,
} from '#linux/ipvs.ts'

/** The part of {@link Ipvs} that is used here. */
export type DrainedTable = Pick<Ipvs, 'listDestinations' | 'removeDestination' | 'weigh'>

type Draining = { readonly server: ServerId; readonly destinations: Map<string, DestinationId> }

/**
 * Destinations that are to go, but still have connections: they have weight 0, get no new connections, and are removed
 * when the last one has ended. A restart finds them by their weight and by not being wanted.
 */
export class DrainingDestinations {
  readonly #table: DrainedTable
  /** By the key of their virtual server. */
  readonly #servers = new Map<string, Draining>()

  constructor(table: DrainedTable) {
    this.#table = table
  }

  /**
   * Takes destinations from a virtual server. UDP and SCTP ones go at once, whatever uses them; a TCP one as soon as no
   * connection does. @throws {NetlinkError}
   */
  async retire(server: ServerId, destinations: readonly DestinationId[]): Promise<void> {
    if (destinations.length === 0) return
    if (server.protocol !== 'TCP') {
      for (const to of destinations) await this.#table.removeDestination(server, to)
      return
    }
    const draining = this.#servers.get(serverKey(server)) ?? { server, destinations: new Map() }
    // Weight first: a connection could come between looking and removing.
    for (const to of destinations) {
      if (await this.#table.weigh(server, to, 0)) draining.destinations.set(destinationKey(to), to)
    }
    this.#servers.set(serverKey(server), draining)
    await this.#removeIdle(draining)
  }

  /** Removes those whose last connection has ended. @throws {NetlinkError} */
  async removeIdle(): Promise<void> {
    for (const draining of this.#servers.values()) await this.#removeIdle(draining)
  }

  /** The destination is wanted again. */
  revive(server: ServerId, destination: DestinationId): void {
    const draining = this.#servers.get(serverKey(server))
    draining?.destinations.delete(destinationKey(destination))
    if (draining?.destinations.size === 0) this.#servers.delete(serverKey(server))
  }

  /** The virtual server is gone, with its destinations. */
  forget(server: ServerId): void {
    this.#servers.delete(serverKey(server))
  }

  /** Are they left in the kernel on purpose? */
  has(server: string, destination: string): boolean {
    return this.#servers.get(server)?.destinations.has(destination) === true
  }

  /** Has the virtual server destinations that are to go, and cannot yet? */
  isDraining(server: string): boolean {
    return this.#servers.has(server)
  }

  async #removeIdle({ server, destinations }: Draining): Promise<void> {
    const present = await this.#table.listDestinations(server)
    const left = new Map(present.map(to => [destinationKey(to), to]))
    for (const [key, to] of destinations) {
      const found = left.get(key)
      if (found !== undefined && isUsed(found)) continue
      await this.#table.removeDestination(server, to)
      destinations.delete(key)
    }
    if (destinations.size === 0) this.#servers.delete(serverKey(server))
  }
}

const isUsed = ({ activeConnections, inactiveConnections }: Destination): boolean =>
  activeConnections + inactiveConnections > 0
