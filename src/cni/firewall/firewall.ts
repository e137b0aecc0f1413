import { changeLink, findLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ipFamilies } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { attachmentMark, attachmentOf, isMarkedBy, unwantedMarks } from '../attachment.ts'
import { requirePrevResult } from '../chained.ts'
import { openContainer } from '../container.ts'
import { requireChain } from '../iptables.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type {
  AttachmentRequest,
  CniConfig,
  CniContext,
  CniPlugin,
  CniRequest,
  GcRequest,
  LiveAttachment,
  RestoreContext,
} from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { UNDO_LIMIT_MS } from '../undo.ts'
import {
  addFirewallRules,
  missingFirewallRules,
  readFilterTables,
  removeFirewallRules,
} from './apply.ts'
import { type FirewallConfig, firewallConfigFrom } from './config.ts'
import { addSources, isFirewalldRunning, missingSources, removeSources } from './firewalld.ts'
import { addressesIn, type FamilyPlan, planFirewall } from './plan.ts'

/** Lets a container's traffic through a host that forwards nothing by itself: chained behind the plugin that gave it addresses. */
export const firewall: CniPlugin = {
  name: 'firewall',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  gc,
  status,
  restoring: {
    tables: ['filter'],
    lost: lostAttachments,
    async restore({ request, result }, { signal }) {
      const config = firewallConfigFrom(request.config)
      await setUp(request, config, { plans: planFirewall(config, result), result, signal })
    },
  },
}

const allAddresses = (result: CniResult) =>
  ipFamilies.flatMap(family => addressesIn(result, family))

/** The rules for iptables: those of the policy are its whatever the backend. */
function rulesFor(backend: string, plans: readonly FamilyPlan[]): readonly FamilyPlan[] {
  if (backend === 'iptables') return plans
  return plans.filter(plan => plan.isolation).map(plan => ({ ...plan, addresses: [] }))
}

async function add(request: AttachmentRequest, context: CniContext): Promise<CniResult> {
  const config = firewallConfigFrom(request.config)
  const result = requirePrevResult(request)
  const plans = planFirewall(config, result)
  if (plans.length === 0) return result
  try {
    await setUp(request, config, { plans, result, signal: context.signal })
  } catch (error) {
    // Not with the call's own signal: that it was aborted may be why.
    await remove(request, AbortSignal.timeout(UNDO_LIMIT_MS)).catch(failure =>
      context.warn(`undoing a failed ADD: ${describeError(failure)}`),
    )
    throw error
  }
  return result
}

async function setUp(
  request: AttachmentRequest,
  config: FirewallConfig,
  work: { plans: readonly FamilyPlan[]; result: CniResult; signal: AbortSignal },
): Promise<void> {
  const { plans, result, signal } = work
  const backend = await backendOf(config, signal)
  await addFirewallRules(attachmentOf(request), rulesFor(backend, plans), signal)
  if (backend === 'firewalld') await addSources(config.firewalldZone, allAddresses(result), signal)
  if (config.ingressPolicy === 'isolated') await isolatePort(request)
}

const backendOf = async ({ backend }: FirewallConfig, signal: AbortSignal) =>
  backend ?? ((await isFirewalldRunning(signal)) ? 'firewalld' : 'iptables')

/**
 * Frames from port to port of a bridge meet iptables only with bridge netfilter. The bridge itself keeps its isolated ports
 * apart; the reference leaves it at the rule.
 */
async function isolatePort(request: AttachmentRequest): Promise<void> {
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  using host = NetlinkSocket.open()
  const peerIndex = (await findLink(container, request.ifname))?.peerIndex
  const port = peerIndex === undefined ? undefined : await findLink(host, peerIndex)
  if (port?.bridgePort === undefined) return
  await changeLink(host, port.index, { bridgePort: { ...port.bridgePort, isolated: true } })
}

/** @throws {CniError} code 100 with every rule that is missing. */
async function check(request: AttachmentRequest, { signal }: CniContext): Promise<void> {
  const config = firewallConfigFrom(request.config)
  const result = requirePrevResult(request)
  const plans = planFirewall(config, result)
  const backend = await backendOf(config, signal)
  const rules = rulesFor(backend, plans)
  const found = [
    ...(await missingFirewallRules(attachmentOf(request), rules, readFilterTables(signal))),
  ]
  if (backend === 'firewalld') {
    const missing = await missingSources(config.firewalldZone, allAddresses(result), signal)
    found.push(...missing.map(address => `${address} is not in zone ${config.firewalldZone}`))
  }
  if (found.length > 0) throw new CniError(cniCodes.checkFailed, found.join('; '))
}

/** The attachments that have lost rules. All are looked up in one listing a family. */
async function lostAttachments(
  live: readonly LiveAttachment[],
  { signal }: RestoreContext,
): Promise<readonly LiveAttachment[]> {
  const tableOf = readFilterTables(signal)
  const lost: LiveAttachment[] = []
  for (const each of live) {
    const config = firewallConfigFrom(each.request.config)
    const backend = await backendOf(config, signal)
    const rules = rulesFor(backend, planFirewall(config, each.result))
    const missing = await missingFirewallRules(attachmentOf(each.request), rules, tableOf)
    if (missing.length > 0) lost.push(each)
  }
  return lost
}

/** By the attachment's identity; prevResult only finds what the reference made, and what firewalld has. */
async function del(request: AttachmentRequest, { signal }: CniContext): Promise<void> {
  await remove(request, signal)
}

async function remove(request: AttachmentRequest, signal: AbortSignal): Promise<void> {
  const mark = attachmentMark(attachmentOf(request))
  const { prevResult } = request.config
  await removeFirewallRules(comment => isMarkedBy(comment, mark), prevResult, signal)
  const zone = usedZone(request.config)
  if (zone === undefined || prevResult === undefined) return
  await removeSources(zone, allAddresses(prevResult), signal)
}

/** The zone that addresses may be in. A configuration that ADD refuses has put none there, and must not keep DEL. */
function usedZone(config: CniConfig): string | undefined {
  try {
    const { backend, firewalldZone } = firewallConfigFrom(config)
    return backend === 'iptables' ? undefined : firewalldZone
  } catch (error) {
    if (error instanceof CniError) return undefined
    throw error
  }
}

/** Rules of bridges stay: the plugin cannot know who else needs them. So do sources of firewalld, which have no owner. */
async function gc(request: GcRequest, { signal }: CniContext): Promise<void> {
  const isUnwanted = unwantedMarks(request)
  if (isUnwanted !== undefined) await removeFirewallRules(isUnwanted, undefined, signal)
}

/** @throws {CniError} code 50: the backend is not there; a wrong configuration. */
async function status({ config }: CniRequest, { signal }: CniContext): Promise<void> {
  const wish = firewallConfigFrom(config)
  const backend = await backendOf(wish, signal)
  if (backend === 'firewalld' && (await isFirewalldRunning(signal))) return
  try {
    if (backend === 'firewalld') throw new Error('it is not running')
    await requireChain('filter', 'FORWARD', signal)
  } catch (cause) {
    throw new CniError(cniCodes.notAvailable, `backend ${backend} cannot be used`, { cause })
  }
}
