import { exec } from '#linux/exec.ts'
import { describeError } from '#runtime/error.ts'
import { attachmentMark, attachmentOf, isMarkedBy, unwantedMarks } from '../attachment.ts'
import { requirePrevResult } from '../chained.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type {
  AttachmentRequest,
  CniContext,
  CniPlugin,
  CniRequest,
  GcRequest,
} from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { type PortmapConfig, portmapConfigFrom } from './config.ts'
import {
  addIptablesMappings,
  missingIptablesMappings,
  removeIptablesMappings,
  removeIptablesMarked,
  requireIptables,
} from './iptables/apply.ts'
import { openLoopback } from './localnet.ts'
import { addNftMappings, missingNftMappings, removeNftMappings } from './nftables/apply.ts'
import { type FamilyPlan, planMappings } from './plan.ts'
import { lostMappings, PORTMAP_TABLES } from './restore.ts'
import { followMappings, forgetContainer } from './stale-flows.ts'

/** Leads ports of the host to a container: chained behind the plugin that made its interface. */
export const portmap: CniPlugin = {
  name: 'portmap',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  gc,
  status,
  restoring: {
    tables: PORTMAP_TABLES,
    lost: lostMappings,
    async restore({ request, result }, { signal }) {
      const config = portmapConfigFrom(request.config)
      const plans = planMappings(config, result, request.ifname)
      await setUp(request, config, { plans, signal })
    },
  },
}

async function add(request: AttachmentRequest, context: CniContext): Promise<CniResult> {
  const config = portmapConfigFrom(request.config)
  const result = requirePrevResult(request)
  const plans = planMappings(config, result, request.ifname)
  if (plans.length === 0) return result
  try {
    await setUp(request, config, { plans, signal: context.signal })
  } catch (error) {
    // The runtime follows with a DEL, but nothing of a failed ADD may wait for it.
    await removeMappings(request, context.signal).catch(failure =>
      context.warn(describeError(failure)),
    )
    throw error
  }
  await followMappings(plans, context.warn)
  return result
}

async function setUp(
  request: AttachmentRequest,
  config: PortmapConfig,
  { plans, signal }: { plans: readonly FamilyPlan[]; signal: AbortSignal },
): Promise<void> {
  const attachment = attachmentOf(request)
  const localnet = config.snat || config.masqAll ? await openLoopback(plans) : undefined
  if (config.backend === 'iptables')
    await addIptablesMappings(attachment, plans, { config, signal })
  else await addNftMappings(attachment, plans, { localnet, signal })
}

/** @throws {CniError} code 100: what of the mappings is not there. */
async function check(request: AttachmentRequest, { signal }: CniContext): Promise<void> {
  const config = portmapConfigFrom(request.config)
  const plans = planMappings(config, requirePrevResult(request), request.ifname)
  if (plans.length === 0) return
  const missingOf = config.backend === 'iptables' ? missingIptablesMappings : missingNftMappings
  const missing = await missingOf(attachmentOf(request), plans, signal)
  if (missing.length > 0) throw new CniError(cniCodes.checkFailed, missing.join('; '))
}

/** By the attachment's identity alone: neither mappings nor a result are needed, and what is gone is no error. */
async function del(request: AttachmentRequest, { signal, warn }: CniContext): Promise<void> {
  await removeMappings(request, signal)
  const { prevResult } = request.config
  const targets = prevResult?.ips.map(({ address }) => address.address) ?? []
  await forgetContainer(targets, warn)
}

/** Of both backends: the configuration may name another one than it did at ADD. What one has removed the other never had. */
async function removeMappings(request: AttachmentRequest, signal: AbortSignal): Promise<void> {
  const attachment = attachmentOf(request)
  const mark = attachmentMark(attachment)
  const removed = await removeNftMappings(comment => isMarkedBy(comment, mark), signal)
  if (removed === 0) await removeIptablesMappings(attachment, signal)
}

async function gc(request: GcRequest, { signal }: CniContext): Promise<void> {
  const isUnwanted = unwantedMarks(request)
  if (isUnwanted === undefined) return
  await removeNftMappings(isUnwanted, signal)
  await removeIptablesMarked(isUnwanted, signal)
}

/** @throws {CniError} code 50: the backend is not there; a wrong configuration. */
async function status({ config }: CniRequest, { signal }: CniContext): Promise<void> {
  const { backend } = portmapConfigFrom(config)
  try {
    if (backend === 'iptables') await requireIptables(signal)
    else await exec('nft', ['list', 'tables'], { signal })
  } catch (cause) {
    throw new CniError(cniCodes.notAvailable, `backend ${backend} cannot be used`, { cause })
  }
}
