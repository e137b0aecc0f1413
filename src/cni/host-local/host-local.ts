import { readFileSync } from 'node:fs'
import type { FileLockOptions } from '#linux/file-lock.ts'
import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type {
  AttachmentRequest,
  CniContext,
  CniPlugin,
  CniRequest,
  GcRequest,
} from '../spec/plugin.ts'
import type { CniDns, CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { type Allocation, allocate, hasFree, heldBy } from './allocator.ts'
import { hostLocalConfigFrom, requestedIps, storeFolderOf } from './config.ts'
import { formatRangeSet, rangeContains } from './range.ts'
import { parseResolvConf } from './resolv-conf.ts'
import { Store } from './store.ts'

/** How long others may hold the store before a call gives up with code 11. */
const LOCK_TIMEOUT_MS = 30_000

/** The IPAM plugin that hands out addresses of ranges, kept in files of this node. */
export const hostLocal: CniPlugin = {
  name: 'host-local',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  gc,
  status,
}

async function add(request: AttachmentRequest, context: CniContext): Promise<CniResult> {
  const { rangeSets, routes, resolvConf } = hostLocalConfigFrom(request.config)
  const requested = requestedIps(request)
  const dns = resolvConf === undefined ? {} : readResolvConf(resolvConf)
  using store = await Store.create(storeFolderOf(request.config), lockOptions(context))
  const allocations = allocate(rangeSets, await store.read(), request, requested)
  reserveAll(store, allocations, request)
  const ips = allocations.map(({ ip, range: { subnet, gateway } }) => ({
    address: { ...subnet, address: ip },
    gateway,
  }))
  return { interfaces: [], ips, routes, dns }
}

async function del(request: AttachmentRequest, context: CniContext): Promise<void> {
  using store = await Store.open(storeFolderOf(request.config), lockOptions(context))
  if (store !== undefined) store.release(heldBy(await store.read(), request))
}

async function check(request: AttachmentRequest, context: CniContext): Promise<void> {
  const { rangeSets } = hostLocalConfigFrom(request.config)
  using store = await Store.open(storeFolderOf(request.config), lockOptions(context))
  const held = store === undefined ? [] : heldBy(await store.read(), request)
  if (held.length === 0) {
    throw new CniError(
      cniCodes.checkFailed,
      `Failed to find address added by container ${request.containerId}`,
    )
  }
  // Other plugins add addresses of their own, and ranges may have been reconfigured since: compare what is ours.
  const isOurs = (ip: IpAddress) => rangeSets.flat().some(range => rangeContains(range, ip))
  const recorded = (request.config.prevResult?.ips ?? []).map(({ address }) => address.address)
  const [have, want] = [held, recorded].map(ips => ips.filter(isOurs).toSorted().join(', '))
  if (have === want) return
  throw new CniError(
    cniCodes.checkFailed,
    `container ${request.containerId} holds [${have}], prevResult says [${want}]`,
  )
}

async function gc(request: GcRequest, context: CniContext): Promise<void> {
  const valid = request.validAttachments
  if (valid === undefined) return
  using store = await Store.open(storeFolderOf(request.config), lockOptions(context))
  if (store === undefined) return
  const stale = [...(await store.read()).holders].filter(
    ([, { containerId, ifname }]) =>
      !valid.some(
        item => item.containerId === containerId && (ifname ?? item.ifname) === item.ifname,
      ),
  )
  store.release(stale.map(([ip]) => ip))
}

async function status(request: CniRequest, context: CniContext): Promise<void> {
  const { rangeSets } = hostLocalConfigFrom(request.config)
  const folder = storeFolderOf(request.config)
  using store = await Store.create(folder, lockOptions(context)).catch(cause => {
    throw new CniError(cniCodes.notAvailable, `store ${folder} cannot be used`, { cause })
  })
  const reservations = await store.read()
  const full = rangeSets.find(set => !hasFree(set, reservations))
  if (full === undefined) return
  throw new CniError(
    cniCodes.notAvailable,
    `no IP addresses available in range set: ${formatRangeSet(full)}`,
  )
}

/** Writes all reservations, or leaves none. @throws {CniError} code 5 */
function reserveAll(
  store: Store,
  allocations: readonly Allocation[],
  holder: { readonly containerId: string; readonly ifname: string },
): void {
  using undo = new DisposableStack()
  for (const [set, { ip }] of allocations.entries()) {
    store.reserve(ip, holder)
    undo.defer(() => store.release([ip]))
    store.setLastReserved(set, ip)
  }
  undo.move()
}

function readResolvConf(path: string): CniDns {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new CniError(cniCodes.ioFailure, `ipam.resolvConf: ${describeError(error)}`)
  }
}

const lockOptions = ({ clock, signal }: CniContext): FileLockOptions => ({
  timeoutMs: LOCK_TIMEOUT_MS,
  clock,
  signal,
})
