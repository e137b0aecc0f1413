import { Ipsets, isSetFull } from '#linux/ipset.ts'
import { destinationKey, Ipvs, type ServerId, serverKey, type VirtualServer } from '#linux/ipvs.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import { Pace } from '#runtime/pace.ts'
import { DrainingDestinations } from './draining.ts'
import { each } from './each.ts'
import { type Addresses, bind, ensureDummy, findDummy, readAddresses, unbind } from './machine.ts'
import type { Changes, Difference, KernelServer, KernelState, ServerChange } from './plan.ts'
import { type Member, memberKey, type SetKind, setKinds, setOf } from './sets.ts'

export type KernelOptions = {
  readonly family: IpFamily
  /** Virtual servers in these are left alone unless they are wanted. */
  readonly excludeCIDRs: readonly IpPrefix[]
}

/** So many things of a list, from this place on; it goes on at the beginning. */
export type Window = { readonly from: number; readonly count: number }

/** What the kernel holds of one family: virtual servers, the dummy link's addresses and sets. */
export class IpvsKernel implements Disposable {
  readonly #options: KernelOptions
  readonly #ipvs: Ipvs
  readonly #sets: Ipsets
  readonly #route: NetlinkSocket
  readonly draining: DrainingDestinations

  private constructor(options: KernelOptions, ipvs: Ipvs) {
    this.#options = options
    this.#ipvs = ipvs
    this.#sets = Ipsets.open()
    this.#route = NetlinkSocket.open()
    this.draining = new DrainingDestinations(ipvs)
  }

  /** @throws {NetlinkError} the kernel has no IPVS. */
  static async open(options: KernelOptions): Promise<IpvsKernel> {
    return new IpvsKernel(options, await Ipvs.open())
  }

  get ipvs(): Ipvs {
    return this.#ipvs
  }

  /** Makes what is missing of the link and the sets. @throws {NetlinkError} */
  async prepare(): Promise<void> {
    await ensureDummy(this.#route)
    for (const kind of setKinds) {
      const set = setOf(kind, this.#options.family)
      if ((await this.#sets.list(set)) === undefined) await this.#sets.create(set)
    }
  }

  async addresses(): Promise<Addresses> {
    return readAddresses(this.#route, this.#options.family, await findDummy(this.#route))
  }

  /**
   * What the kernel has: the virtual servers that are wanted by their keys, and all others that are not excluded. Listing
   * destinations takes a request for each server, so it can be limited to some. @throws {NetlinkError}
   */
  async read(isWanted: (key: string) => boolean, some?: Window): Promise<KernelState> {
    const pace = new Pace()
    const members = new Map<string, Member>()
    for (const set of setKinds) {
      for (const entry of (await this.#sets.list(setOf(set, this.#options.family))) ?? []) {
        await pace.breathe()
        members.set(memberKey({ set, entry }), { set, entry })
      }
    }
    const found = (await this.#ipvs.listServers()).filter(
      server =>
        this.#isOfFamily(server) && (isWanted(serverKey(server)) || !this.#isExcluded(server)),
    )
    const servers = new Map<string, KernelServer>()
    await each([...found.entries()], async ([index, server]) => {
      const isLooked = some === undefined || isWithin(some, index, found.length)
      const destinations = isLooked ? await this.#destinations(server) : undefined
      servers.set(serverKey(server), { ...server, destinations })
    })
    return { servers, addresses: (await this.addresses()).dummy, members }
  }

  /**
   * Before anything can be reached: the sets tell the rules which connections to masquerade. Gives the sets that were too
   * full for all. @throws {NetlinkError}
   */
  async addMembers(members: readonly Member[]): Promise<ReadonlySet<SetKind>> {
    const full = new Set<SetKind>()
    await this.#eachSet(members, async (set, entries) => {
      try {
        await this.#sets.add(setOf(set, this.#options.family), entries)
      } catch (error) {
        if (!isSetFull(error)) throw error
        full.add(set)
      }
    })
    return full
  }

  async removeMembers(members: readonly Member[]): Promise<void> {
    await this.#eachSet(members, (set, entries) =>
      this.#sets.remove(setOf(set, this.#options.family), entries),
    )
  }

  /** Makes and changes virtual servers. @throws {NetlinkError} */
  async changeServers(changes: Changes['servers']): Promise<void> {
    await each(changes, change => this.#changeServer(change))
  }

  /** Those that are excluded stay, as they are. @throws {NetlinkError} */
  async removeServers(servers: readonly ServerId[]): Promise<void> {
    const removable = servers.filter(server => !this.#isExcluded(server))
    await each(removable, async server => {
      await this.#ipvs.removeServer(server)
      this.draining.forget(server)
    })
  }

  /** @throws {NetlinkError} */
  async changeAddresses({ add, remove }: Difference<IpAddress>): Promise<void> {
    if (add.length + remove.length === 0) return
    const index = await ensureDummy(this.#route)
    await each(add, ip => bind(this.#route, index, ip))
    await each(remove, ip => unbind(this.#route, index, ip))
  }

  [Symbol.dispose](): void {
    this.#ipvs[Symbol.dispose]()
    this.#sets[Symbol.dispose]()
    this.#route[Symbol.dispose]()
  }

  async #changeServer({ server, isPut, add, remove }: ServerChange): Promise<void> {
    if (isPut) await this.#ipvs.putServer(server)
    for (const to of add) {
      await this.#ipvs.putDestination(server, to, 1)
      this.draining.revive(server, to)
    }
    await this.draining.retire(server, remove)
  }

  async #destinations(server: VirtualServer) {
    const list = await this.#ipvs.listDestinations(server)
    return new Map(list.map(to => [destinationKey(to), to]))
  }

  async #eachSet(
    members: readonly Member[],
    work: (set: SetKind, entries: readonly Member['entry'][]) => Promise<void>,
  ): Promise<void> {
    for (const [set, some] of Map.groupBy(members, member => member.set)) {
      await work(
        set,
        some.map(({ entry }) => entry),
      )
    }
  }

  #isOfFamily({ address }: ServerId): boolean {
    return familyOf(address) === this.#options.family
  }

  #isExcluded({ address }: ServerId): boolean {
    return this.#options.excludeCIDRs.some(prefix => prefixContains(prefix, address))
  }
}

const isWithin = ({ from, count }: Window, index: number, length: number): boolean =>
  (((index - from) % length) + length) % length < count
