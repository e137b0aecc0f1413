import { listRoutes, type Route } from '#linux/netlink/route.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { formatPrefix, hostPrefix } from '#net/prefix.ts'
import { openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import {
  addressDifferences,
  containerDifferences,
  masqueradeDifferences,
  routeDifferences,
  type VethState,
} from '../veth/compare.ts'
import { readVethState } from '../veth/state.ts'
import { ptpConfigFrom } from './config.ts'

/**
 * CHECK: is the attachment still what its result and configuration say? Changes nothing.
 * @throws {CniError} code 100 with everything that differs; IPAM's errors; those of ADD for a wrong configuration.
 */
export async function checkPtp(request: AttachmentRequest, context: CniContext): Promise<void> {
  const { ipMasq: isMasqueraded, ipamType } = ptpConfigFrom(request)
  const result = request.config.prevResult as CniResult
  using namespace = openContainer(request)
  using host = NetlinkSocket.open()
  using container = NetlinkSocket.open(namespace)
  const { signal } = context
  const state = await readVethState(request, { host, container }, { isMasqueraded, signal })
  const hostRoutes = [...(await listRoutes(host, 4)), ...(await listRoutes(host, 6))]
  const found = differences({ request, result, isMasqueraded }, state, hostRoutes)
  if (found.length > 0) throw new CniError(cniCodes.checkFailed, found.join('; '))
  await context.delegate.run('CHECK', ipamType, request)
}

type Wish = {
  readonly request: Pick<AttachmentRequest, 'ifname' | 'netns'>
  readonly result: CniResult
  readonly isMasqueraded: boolean
}

/** Everything that is not as the result says; empty when all is well. */
export function differences(
  { request: { ifname, netns }, result, isMasqueraded }: Wish,
  state: VethState,
  hostRoutes: readonly Route[],
): readonly string[] {
  const index = result.interfaces.findIndex(
    ({ name, sandbox }) => name === ifname && sandbox === netns,
  )
  const recorded = result.interfaces[index]
  if (recorded === undefined) return [`prevResult has no interface ${ifname} in ${netns}`]
  const ips = result.ips.filter(ip => ip.interface === index)
  return [
    ...containerDifferences(recorded, state),
    ...hostDifferences(result, state),
    ...ips.flatMap(ip => [
      ...addressDifferences(ip, state),
      ...(isMasqueraded ? masqueradeDifferences(ip, state) : []),
    ]),
    ...result.routes.flatMap(route => routeDifferences(route, state)),
    ...ips.flatMap(({ address }) => {
      const text = formatPrefix(hostPrefix(address.address))
      const leads = ({ destination, linkIndex }: Route) =>
        formatPrefix(destination) === text && linkIndex === state.hostLink?.index
      return hostRoutes.some(leads) ? [] : [`the host has no route to ${text}`]
    }),
  ]
}

function hostDifferences({ interfaces }: CniResult, { hostLink }: VethState): readonly string[] {
  if (hostLink === undefined) return ['the host end of the veth pair is missing']
  const isRecorded = interfaces.some(({ name, sandbox }) => name === hostLink.name && !sandbox)
  if (!isRecorded) return [`prevResult has no host interface ${hostLink.name}`]
  return hostLink.isUp ? [] : [`${hostLink.name} is down`]
}
