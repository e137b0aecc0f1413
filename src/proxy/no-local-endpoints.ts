import type { ServicePortState } from './change-tracker.ts'

/** Service ports of which a policy is Local and finds no endpoint on this node, though there are some elsewhere. */
export type WithoutLocal = { readonly internal: number; readonly external: number }

/** How many of a Service's ports are without. Pure. */
export function countWithoutLocal(ports: readonly ServicePortState[]): WithoutLocal {
  const bare = ports.filter(({ endpoints }) => endpoints.hasAny && endpoints.local.length === 0)
  return {
    internal: bare.filter(port => port.internalPolicyLocal).length,
    external: bare.filter(port => port.externalPolicyLocal).length,
  }
}

/** Sums over Services that are seen one by one, whenever they change. */
export class NoLocalEndpoints {
  /** Only Services with ports that are without. */
  readonly #services = new Map<string, WithoutLocal>()

  note(service: string, ports: readonly ServicePortState[]): void {
    const count = countWithoutLocal(ports)
    if (count.internal + count.external === 0) this.#services.delete(service)
    else this.#services.set(service, count)
  }

  total(): WithoutLocal {
    let [internal, external] = [0, 0]
    for (const count of this.#services.values()) {
      internal += count.internal
      external += count.external
    }
    return { internal, external }
  }
}
