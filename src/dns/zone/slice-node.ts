import type { EndpointSlice } from '#cluster/objects.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'
import { endpointName } from './endpoint-name.ts'

/** One address of a counted endpoint with the label that names it. */
export type Member = { readonly name: string; readonly address: IpAddress }

/**
 * One EndpointSlice in the zone. A Service is the sum of its nodes, so a change of one slice costs that slice alone.
 * An endpoint counts when it is ready; serving and terminating are not looked at.
 */
export class SliceNode {
  readonly slice: EndpointSlice
  /** Of addresses of counted endpoints. */
  readonly size: number
  readonly #podNames: boolean
  #byName: Map<string, Member[]> | undefined

  constructor(slice: EndpointSlice, podNames: boolean) {
    this.slice = slice
    this.#podNames = podNames
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
        yield { name: endpointName(endpoint, text, this.#podNames), address }
      }
    }
  }

  /** The members with this name. The first question of this kind makes a table, which goes when the slice changes. */
  named(name: string): readonly Member[] {
    this.#byName ??= Map.groupBy(this.members(), member => member.name)
    return this.#byName.get(name) ?? []
  }
}
