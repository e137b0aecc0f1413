import type { ProxyConfig } from '#proxy/config/schema.ts'
import type { RoutesConfig } from '#routes/config.ts'
import { CniPart, type CniPartConfig } from './cni.ts'
import { DnsPart, type DnsPartConfig } from './dns.ts'
import type { AgentContext, AgentPart, PartName } from './part.ts'
import { ProxyPart } from './proxy.ts'
import { RoutesPart } from './routes.ts'

/** undefined: the node has that from somebody else. */
export type PartConfigs = {
  readonly proxy: ProxyConfig | undefined
  readonly dns: DnsPartConfig | undefined
  readonly cni: CniPartConfig | undefined
  readonly routes: RoutesConfig | undefined
}

export type Parts = ReturnType<typeof partsOf>

/**
 * The parts that the configuration names. They start side by side; each is announced to those whom it serves when the ones before
 * it stand. @param whyNotBefore what of these does not stand yet.
 */
export function partsOf(
  { proxy, dns, cni, routes }: PartConfigs,
  context: AgentContext,
  whyNotBefore: (part: PartName) => string | undefined,
) {
  const proxyPart = proxy && new ProxyPart(proxy, context, dns?.nodeLocal ?? [])
  const cniPart = cni && new CniPart(cni, context, () => whyNotBefore('cni'))
  const reader = proxyPart?.published() ?? context.store
  const attached = cniPart && (() => cniPart.pods)
  const whyNot = () => whyNotBefore('dns')
  return {
    routes: routes && new RoutesPart(routes, context),
    proxy: proxyPart,
    dns: dns && new DnsPart(dns, context, { reader, attached, whyNotBefore: whyNot }),
    cni: cniPart,
  }
}

/** In the order in which a node needs them. */
export const inOrder = ({ routes, proxy, dns, cni }: Parts): readonly AgentPart[] =>
  [routes, proxy, dns, cni].filter(part => part !== undefined)
