import type { Service, ServicePortSpec } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { readNftCounters } from '#linux/nft-reader.ts'
import type { IpFamily } from '#net/ip.ts'
import type { Difference, ServiceTraffic } from '#proxy/backend.ts'
import type { ServicePortState } from '#proxy/change-tracker.ts'
import { diffRules } from '#proxy/inspect.ts'
import { portRules } from '#proxy/nftables/route.ts'
import { counting, sumTraffic } from '#proxy/nftables/traffic.ts'
import { displayName } from '#proxy/service-port.ts'
import { DEFAULT_TABLE_NAME, type ProxySettings } from '#proxy/settings.ts'
import { describeError } from '#runtime/error.ts'
import type { RuleFacts, ServiceFacts } from '../facts.ts'
import type { Surroundings } from './surroundings.ts'

/** The rules of one port in one family as the kernel has them; undefined where they are not ours or cannot be read. */
export async function ruleFactsFor(
  { service, slices, port, state }: ServiceFacts,
  family: IpFamily,
  surroundings: Surroundings,
): Promise<RuleFacts | undefined> {
  const { log, signal } = surroundings
  if (surroundings.settings === undefined || service === undefined) return undefined
  if (port === undefined || state === undefined) return undefined
  const settings = { ...surroundings.settings, families: [family] }
  const { mode = 'nftables' } = settings
  try {
    const isAlone = mode === 'nftables'
    const store = isAlone ? storeOf(service, port, slices) : surroundings.store
    const differences = await diffRules({ store, settings, log }, signal)
    const missing = differences.filter(
      difference => difference.wanted !== undefined && (isAlone || concerns(difference, state)),
    )
    const traffic = isAlone ? await trafficOf(state, settings, signal) : undefined
    return { mode, missing: missing.map(textOf), traffic }
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ reason: describeError(error) }, 'the rules cannot be read')
    return undefined
  }
}

/** In mode nftables the elements of a port depend on no other Service, so all the others need not be compared. */
function storeOf(service: Service, port: ServicePortSpec, slices: ServiceFacts['slices']): Store {
  const store = new Store()
  store.replaceAll('Service', [{ ...service, ports: [port] }])
  store.replaceAll('EndpointSlice', slices)
  // What becomes of addresses that no Service has is not this one's affair.
  store.replaceAll('ServiceCIDR', [])
  return store
}

/** Rules that name no address are everybody's. */
function concerns({ place, wanted = '' }: Difference, port: ServicePortState): boolean {
  const text = `${place} ${wanted}`
  const words = [
    displayName(port),
    port.clusterIP,
    ...port.externalIPs,
    ...port.loadBalancerVIPs,
    ...port.allEndpoints.map(({ address }) => address),
  ]
  return words.some(word => text.includes(word)) || !/[0-9]\.[0-9]|[0-9a-f]:[0-9a-f:]/.test(text)
}

const textOf = ({ place, wanted }: Difference): string => `${place}: ${wanted}`

/** What went through the port so far; undefined where its table is gone. */
async function trafficOf(
  state: ServicePortState,
  settings: ProxySettings,
  signal: AbortSignal,
): Promise<ServiceTraffic | undefined> {
  const { nodeName, nodeIPs = [], tableName: name = DEFAULT_TABLE_NAME } = settings
  const [family = 4] = settings.families
  const owner = 'port'
  const owners = portRules(state, { nodeName, nodeIPs }).destinations.map(({ at, key }) => ({
    name: `${at} ${key}`,
    owner,
  }))
  try {
    const listings = await Promise.all(
      counting.map(
        async place => [place, await readNftCounters({ family, name }, place, signal)] as const,
      ),
    )
    return sumTraffic(owners, listings).get(owner)
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
