import { readFileSync } from 'node:fs'
import type { NetworkNamespace } from '#linux/namespace.ts'
import { NetlinkError } from '#linux/netlink/error.ts'
import { changeLink, findLink, type Link } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { readSysctl, SysctlError, writeSysctl } from '#linux/sysctl.ts'
import { describeError, errnoCode } from '#runtime/error.ts'
import { attachmentOf } from '../attachment.ts'
import { requireInterface, requirePrevResult } from '../chained.ts'
import { findContainer, openContainer } from '../container.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniContext, CniPlugin, GcRequest } from '../spec/plugin.ts'
import type { CniResult } from '../spec/result.ts'
import { cniVersions } from '../spec/version.ts'
import { checkTuningConfig, dataDirOf, type LinkTuning, tuningConfigFrom } from './config.ts'
import { changeOf, isTuned, presentOf, tunedResult, tuningDifferences } from './link-tuning.ts'
import { forgetOthers, forgetTuning, savedTuning, saveTuning } from './saved.ts'
import { requireAllowed, type Sysctl } from './sysctl.ts'

/** What sysctls the node's administrator allows; no file: all. */
const ALLOWLIST = '/etc/cni/tuning/allowlist.conf'
/** EBUSY: the hardware takes another MAC only while it is down. */
const EBUSY = 16

/** Sets sysctls and attributes of the container's interface: chained behind the plugin that made it. */
export const tuning: CniPlugin = {
  name: 'tuning',
  supportedVersions: cniVersions,
  add,
  check,
  del,
  gc,
  status: async request => checkTuningConfig(request),
}

async function add(request: AttachmentRequest, { warn }: CniContext): Promise<CniResult> {
  const result = requirePrevResult(request)
  const { sysctls, link: wish } = tuningConfigFrom(request)
  requireAllowed(sysctls, readAllowlist())
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const link = isTuned(wish) ? await requireInterface(container, request.ifname) : undefined
  using undo = new DisposableStack()
  setSysctls(namespace, sysctls, undo)
  if (link === undefined) {
    undo.move()
    return result
  }
  const before = presentOf(wish, link)
  saveTuning(dataDirOf(request.config), attachmentOf(request), before)
  try {
    await tune(container, link, wish)
  } catch (error) {
    await restore(request, container).catch(failure =>
      warn(`undoing a failed ADD: ${describeError(failure)}`),
    )
    throw error
  }
  undo.move()
  return tunedResult(result, request.ifname, wish)
}

/** @throws {CniError} code 100 with everything that is not as it is configured. */
async function check(request: AttachmentRequest): Promise<void> {
  requirePrevResult(request)
  const { sysctls, link: wish } = tuningConfigFrom(request)
  using namespace = openContainer(request)
  using container = NetlinkSocket.open(namespace)
  const found = namespace.run(() => sysctls.flatMap(sysctlDifference))
  if (isTuned(wish)) {
    const link = await requireInterface(container, request.ifname)
    found.push(...tuningDifferences(wish, link))
  }
  if (found.length > 0) throw new CniError(cniCodes.checkFailed, found.join('; '))
}

/** Restores what the interface had; sysctls stay, as with the reference: they end with the namespace. */
async function del(request: AttachmentRequest, { warn }: CniContext): Promise<void> {
  using namespace = findContainer(request)
  if (namespace !== undefined) {
    using container = NetlinkSocket.open(namespace)
    await restore(request, container).catch(error => warn(describeError(error)))
  }
  forgetTuning(dataDirOf(request.config), attachmentOf(request))
}

async function gc({ config, validAttachments }: GcRequest): Promise<void> {
  if (validAttachments === undefined) return
  forgetOthers(dataDirOf(config), config.name, validAttachments)
}

async function restore(request: AttachmentRequest, container: NetlinkSocket): Promise<void> {
  const folder = dataDirOf(request.config)
  const saved = savedTuning(folder, attachmentOf(request))
  const link = saved && isTuned(saved) && (await findLink(container, request.ifname))
  if (saved && link) await tune(container, link, saved)
  forgetTuning(folder, attachmentOf(request))
}

async function tune(container: NetlinkSocket, link: Link, wish: LinkTuning): Promise<void> {
  const { mac, ...rest } = changeOf(wish)
  if (mac !== undefined) {
    try {
      await changeLink(container, link.index, { mac })
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== EBUSY) throw error
      // The reference always does this; it costs the interface its routes, so only where nothing else works.
      await changeLink(container, link.index, { isUp: false })
      await changeLink(container, link.index, { mac })
      await changeLink(container, link.index, { isUp: link.isUp })
    }
  }
  if (isTuned(rest)) await changeLink(container, link.index, rest)
}

/** @throws {CniError} code 7: there is no such sysctl, or it does not take the value; what was written is undone. */
function setSysctls(
  namespace: NetworkNamespace,
  sysctls: readonly Sysctl[],
  undo: DisposableStack,
): void {
  const written: { path: string; before: string }[] = []
  undo.defer(() => namespace.run(() => written.toReversed().forEach(restoreSysctl)))
  namespace.run(() => {
    for (const { key, path, value } of sysctls) {
      try {
        const before = readSysctl(path)
        writeSysctl(path, value)
        written.push({ path, before })
      } catch (cause) {
        if (!(cause instanceof SysctlError)) throw cause
        throw new CniError(cniCodes.invalidConfig, `sysctl.${key}`, { cause })
      }
    }
  })
}

function restoreSysctl({ path, before }: { path: string; before: string }): void {
  try {
    writeSysctl(path, before)
  } catch {
    // The namespace ends with the failed container.
  }
}

function sysctlDifference({ key, path, value }: Sysctl): readonly string[] {
  try {
    const present = readSysctl(path)
    return present === value.trim() ? [] : [`sysctl ${key} is ${present}, not ${value}`]
  } catch (error) {
    return [describeError(error)]
  }
}

function readAllowlist(): string | undefined {
  try {
    return readFileSync(ALLOWLIST, 'utf8')
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return undefined
    throw new CniError(cniCodes.ioFailure, `cannot read ${ALLOWLIST}`, { cause })
  }
}
