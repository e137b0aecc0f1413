import type { Node } from '#cluster/objects.ts'
import type { Plan } from '#routes/plan.ts'
import type { RoutesView } from './types.ts'

/** How packets get to the pods of each node. @param plan undefined before there was one. */
export function routesView(
  nodes: Iterable<Node>,
  {
    own,
    mode,
    plan,
  }: { readonly own: string; readonly mode: string; readonly plan: Plan | undefined },
): RoutesView {
  const routes = Map.groupBy(plan?.routes ?? [], ({ node }) => node)
  const tunnels = new Set(plan?.tunnels.map(({ name }) => name))
  const refusals = new Map(plan?.refusals.map(({ node, message }) => [node, message]))
  const viaOf = (node: string): RoutesView['nodes'][number]['via'] => {
    if (node === own) return 'own'
    const [first] = routes.get(node) ?? []
    if (first === undefined) return 'none'
    return tunnels.has(first.link) ? 'tunnel' : 'route'
  }
  return {
    mode,
    mtu: plan?.mtu,
    nodes: [...nodes]
      .map(({ metadata: { name }, podCIDRs, addresses }) => ({
        node: name,
        podCIDRs,
        addresses: addresses
          .filter(({ type }) => type === 'InternalIP')
          .map(({ address }) => address),
        via: viaOf(name),
        reason: refusals.get(name),
      }))
      .toSorted((a, b) => (a.node < b.node ? -1 : 1)),
  }
}
