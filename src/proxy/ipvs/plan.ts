import type { IpAddress } from '#net/ip.ts'
import { Pace } from '#runtime/pace.ts'
import { type ClaimChange, Claims } from './claims.ts'
import type { PortPlan } from './port-plan.ts'
import {
  type DestinationId,
  destinationKey,
  type ServerId,
  type ServerPlan,
  serverKey,
  type VirtualServer,
} from './server.ts'
import { type Member, memberKey, type SetKind } from './sets.ts'

/** What is to happen to a virtual server that stays or comes. */
export type ServerChange = {
  readonly server: VirtualServer
  /** Is it new, or are its own properties others? */
  readonly isPut: boolean
  readonly add: readonly DestinationId[]
  readonly remove: readonly DestinationId[]
}

/** The way from what the kernel has to what it is to have. */
export type Changes = {
  readonly servers: readonly ServerChange[]
  readonly removedServers: readonly ServerId[]
  readonly addresses: Difference<IpAddress>
  readonly members: Difference<Member>
}

export type Difference<T> = { readonly add: readonly T[]; readonly remove: readonly T[] }

/** What the iptables rules depend on. */
export type Facts = {
  /** Sets that have members. */
  readonly sets: ReadonlySet<SetKind>
  /** See {@link PortPlan.barred}; sorted. */
  readonly barred: readonly ServerId[]
}

/** A virtual server as the kernel has it. */
export type KernelServer = VirtualServer & {
  /** By {@link destinationKey}; undefined: they were not looked at. */
  readonly destinations: ReadonlyMap<string, KernelDestination> | undefined
}
type KernelDestination = DestinationId & { readonly weight: number; readonly isNat: boolean }

/** What the kernel has of one family. */
export type KernelState = {
  /** By {@link serverKey}. */
  readonly servers: ReadonlyMap<string, KernelServer>
  /** On the dummy link. */
  readonly addresses: ReadonlySet<IpAddress>
  /** By {@link memberKey}. */
  readonly members: ReadonlyMap<string, Member>
}

/**
 * What the kernel is to hold for all Services of a family. Takes the plans of service ports, gives what changes: as much
 * as the difference, however many Services there are. Pure, and what it holds does not depend on the order it came in.
 */
export class IpvsPlan {
  readonly #ports = new Map<string, readonly PortPlan[]>()
  readonly #servers = new Claims<ServerPlan>()
  readonly #addresses = new Claims<IpAddress>()
  readonly #members = new Claims<Member>()
  readonly #barred = new Claims<ServerId>()
  /** How many members each set has. */
  readonly #sizes = new Map<SetKind, number>()
  #factsChanged = true

  /** The changes for these Services; an empty list of ports removes a Service. */
  update(changed: Iterable<readonly [string, readonly PortPlan[]]>): Changes {
    for (const [service, ports] of changed) {
      for (const port of this.#ports.get(service) ?? []) this.#release(port)
      for (const port of ports) this.#claim(port)
      if (ports.length === 0) this.#ports.delete(service)
      else this.#ports.set(service, ports)
    }
    const members = difference(this.#members.takeChanges())
    this.#count(members)
    const barred = difference(this.#barred.takeChanges())
    this.#factsChanged ||= barred.add.length + barred.remove.length > 0
    const servers = this.#servers.takeChanges()
    return {
      servers: servers.flatMap(({ before, after }) => serverChange(asKernel(before), after) ?? []),
      removedServers: servers.flatMap(({ before, after }) =>
        before !== undefined && after === undefined ? [before] : [],
      ),
      addresses: difference(this.#addresses.takeChanges()),
      members,
    }
  }

  /**
   * The changes that bring the kernel from what it has to all that this plan holds. The plan must stay as it is
   * meanwhile: the event loop turns between steps.
   */
  async changesFrom(kernel: KernelState): Promise<Changes> {
    const pace = new Pace()
    const servers: ServerChange[] = []
    for (const [key, server] of this.#servers.entries()) {
      await pace.breathe()
      const change = serverChange(kernel.servers.get(key), server)
      if (change !== undefined) servers.push(change)
    }
    const removedServers = kernel.servers.entries().filter(([key]) => !this.hasServer(key))
    const addresses = new Map(kernel.addresses.values().map(address => [address, address]))
    return {
      servers,
      removedServers: [...removedServers].map(([, server]) => server),
      addresses: await differenceFrom(addresses, this.#addresses, pace),
      members: await differenceFrom(kernel.members, this.#members, pace),
    }
  }

  /** Is there a virtual server of this key? */
  hasServer(key: string): boolean {
    return this.#servers.get(key) !== undefined
  }

  /** What the iptables rules depend on, if that has changed since the last call. */
  takeFacts(): Facts | undefined {
    if (!this.#factsChanged) return undefined
    this.#factsChanged = false
    const barred = [...this.#barred.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
    return { sets: new Set(this.#sizes.keys()), barred: barred.map(([, server]) => server) }
  }

  #claim({ key: owner, servers, addresses, members, barred }: PortPlan): void {
    for (const server of servers) this.#servers.claim(owner, serverKey(server), server)
    for (const address of addresses) this.#addresses.claim(owner, address, address)
    for (const member of members) this.#members.claim(owner, memberKey(member), member)
    for (const server of barred) this.#barred.claim(owner, serverKey(server), server)
  }

  #release({ key: owner, servers, addresses, members, barred }: PortPlan): void {
    for (const server of servers) this.#servers.release(owner, serverKey(server))
    for (const address of addresses) this.#addresses.release(owner, address)
    for (const member of members) this.#members.release(owner, memberKey(member))
    for (const server of barred) this.#barred.release(owner, serverKey(server))
  }

  #count({ add, remove }: Difference<Member>): void {
    const before = this.#sizes.size
    const step = (members: readonly Member[], by: number) => {
      for (const { set } of members) this.#sizes.set(set, (this.#sizes.get(set) ?? 0) + by)
    }
    step(add, 1)
    const kinds = [...this.#sizes.keys()]
    step(remove, -1)
    for (const kind of kinds) if (this.#sizes.get(kind) === 0) this.#sizes.delete(kind)
    this.#factsChanged ||= kinds.length !== before || this.#sizes.size !== before
  }
}

/** Things that came and went; those of one key are all alike. */
function difference<T>(changes: readonly ClaimChange<T>[]): Difference<T> {
  return {
    add: changes.flatMap(({ before, after }) => (before === undefined ? (after ?? []) : [])),
    remove: changes.flatMap(({ before, after }) => (after === undefined ? (before ?? []) : [])),
  }
}

/** From what there is, by its keys, to what is claimed. */
async function differenceFrom<T>(
  before: ReadonlyMap<string, T>,
  after: Claims<T>,
  pace: Pace,
): Promise<Difference<T>> {
  const add: T[] = []
  for (const [key, value] of after.entries()) {
    await pace.breathe()
    if (!before.has(key)) add.push(value)
  }
  const remove: T[] = []
  for (const [key, value] of before) {
    await pace.breathe()
    if (after.get(key) === undefined) remove.push(value)
  }
  return { add, remove }
}

/** What was planned, as the kernel has it when all has been done. */
function asKernel(plan: ServerPlan | undefined): KernelServer | undefined {
  if (plan === undefined) return undefined
  const destinations = plan.destinations.map(
    destination =>
      [destinationKey(destination), { ...destination, weight: 1, isNat: true }] as const,
  )
  return { ...plan, destinations: new Map(destinations) }
}

/** The change of one virtual server; undefined when all is right, or it is to go. */
function serverChange(
  before: KernelServer | undefined,
  after: ServerPlan | undefined,
): ServerChange | undefined {
  if (after === undefined) return undefined
  const { destinations, ...server } = after
  const isPut = before === undefined || !isAlike(before, after)
  if (before !== undefined && before.destinations === undefined) {
    return isPut ? { server, isPut, add: [], remove: [] } : undefined
  }
  const known = before?.destinations ?? new Map<string, KernelDestination>()
  const wanted = new Map(destinations.map(to => [destinationKey(to), to] as const))
  const add = [...wanted].filter(([key]) => !isRight(known.get(key))).map(([, to]) => to)
  const remove = [...known].filter(([key]) => !wanted.has(key)).map(([, to]) => to)
  return isPut || add.length > 0 || remove.length > 0 ? { server, isPut, add, remove } : undefined
}

/** Have two servers the same properties? A time-out means nothing to one that remembers no clients. */
const isAlike = (a: VirtualServer, b: VirtualServer): boolean =>
  a.scheduler === b.scheduler &&
  a.flags === b.flags &&
  (a.timeoutSeconds === b.timeoutSeconds || b.timeoutSeconds === 0)

const isRight = (destination: KernelDestination | undefined): boolean =>
  destination?.weight === 1 && destination.isNat
