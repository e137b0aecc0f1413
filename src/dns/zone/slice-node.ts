import type { EndpointSlice } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { endpointName } from './endpoint-name.ts'

/** One address of a counted endpoint with the label that names it. */
export type Member = {
  readonly name: string
  readonly address: IpAddress
  /** Of the topology: `eu-west-1a`. */
  readonly zone: string | undefined
}

type NamingOptions = {
  /** Of the Service that the slice belongs to. */
  readonly serviceKey: string
  readonly podNames: boolean
  /** Where endpoints of several clusters have names, that of the slice's: `web-0.CLUSTER`. */
  readonly cluster?: string | undefined
}

/**
 * One EndpointSlice in the zone. A Service is the sum of its nodes, so a change of one slice costs that slice alone.
 * An endpoint counts when it is ready; serving and terminating are not looked at.
 */
export class SliceNode {
  readonly slice: EndpointSlice
  /** Of addresses of counted endpoints. */
  readonly size: number
  readonly serviceKey: string
  readonly #podNames: boolean
  readonly #suffix: string
  #byName: Map<string, Member[]> | undefined

  constructor(slice: EndpointSlice, { serviceKey, podNames, cluster }: NamingOptions) {
    this.slice = slice
    this.serviceKey = serviceKey
    this.#podNames = podNames
    this.#suffix = cluster === undefined ? '' : `.${cluster.toLowerCase()}`
    let size = 0
    for (const _ of this.addresses()) size++
    this.size = size
  }

  /** The counted addresses; those of FQDN slices are none. */
  *addresses(): Generator<IpAddress> {
    for (const { addresses, conditions } of this.slice.endpoints) {
      if (!conditions.ready) continue
      for (const text of addresses) {
        const address = parseIp(text)
        if (address !== undefined) yield address
      }
    }
  }

  *members(): Generator<Member> {
    for (const endpoint of this.slice.endpoints) {
      if (!endpoint.conditions.ready) continue
      for (const text of endpoint.addresses) {
        const address = parseIp(text)
        if (address === undefined) continue
        const name = endpointName(endpoint, text, this.#podNames) + this.#suffix
        yield { name, address, zone: endpoint.zone }
      }
    }
  }

  /** The members with this name. The first question of this kind makes a table, which goes when the slice changes. */
  named(name: string): readonly Member[] {
    this.#byName ??= Map.groupBy(this.members(), member => member.name)
    return this.#byName.get(name) ?? []
  }
}
