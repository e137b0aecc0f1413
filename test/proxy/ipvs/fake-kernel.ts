import type { IpAddress } from '#net/ip.ts'
import type { Kernel } from '../../../src/proxy/ipvs/backend.ts'
import { DrainingDestinations } from '../../../src/proxy/ipvs/draining.ts'
import type { Changes, KernelServer, KernelState } from '../../../src/proxy/ipvs/plan.ts'
import { destinationKey, type ServerId, serverKey } from '../../../src/proxy/ipvs/server.ts'
import { type Member, memberKey, type SetKind } from '../../../src/proxy/ipvs/sets.ts'

/** What {@link IpvsKernel} writes to, in memory; without connections, so destinations go at once. */
export class FakeKernel implements Kernel {
  readonly servers = new Map<string, KernelServer>()
  readonly bound = new Set<IpAddress>()
  readonly members = new Map<string, Member>()
  /** Members that a set takes. */
  capacity = Number.POSITIVE_INFINITY
  readonly draining = new DrainingDestinations({
    listDestinations: async () => [],
    removeDestination: async () => true,
    weigh: async () => true,
  })

  async prepare(): Promise<void> {}

  async addresses() {
    return { dummy: this.bound, machine: new Set(['192.168.50.1' as IpAddress]) }
  }

  async read(): Promise<KernelState> {
    const { servers, bound: addresses, members } = this
    return structuredClone({ servers, addresses, members })
  }

  async addMembers(members: readonly Member[]): Promise<ReadonlySet<SetKind>> {
    const full = new Set<SetKind>()
    for (const member of members) {
      if (this.membersOf(member.set).length >= this.capacity) full.add(member.set)
      else this.members.set(memberKey(member), member)
    }
    return full
  }

  async removeMembers(members: readonly Member[]): Promise<void> {
    for (const member of members) this.members.delete(memberKey(member))
  }

  async changeServers(changes: Changes['servers']): Promise<void> {
    for (const { server, add, remove } of changes) {
      const destinations = new Map(this.servers.get(serverKey(server))?.destinations)
      for (const to of add) destinations.set(destinationKey(to), { ...to, weight: 1, isNat: true })
      for (const to of remove) destinations.delete(destinationKey(to))
      this.servers.set(serverKey(server), { ...server, destinations })
    }
  }

  async removeServers(servers: readonly ServerId[]): Promise<void> {
    for (const server of servers) this.servers.delete(serverKey(server))
  }

  async changeAddresses({ add, remove }: Changes['addresses']): Promise<void> {
    for (const ip of add) this.bound.add(ip)
    for (const ip of remove) this.bound.delete(ip)
  }

  membersOf(set: SetKind): readonly Member[] {
    return [...this.members.values()].filter(member => member.set === set)
  }

  [Symbol.dispose](): void {}
}
