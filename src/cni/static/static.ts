import { formatPrefix } from '#net/prefix.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { AttachmentRequest, CniPlugin } from '../spec/plugin.ts'
import { cniVersions } from '../spec/version.ts'
import { staticResultFrom } from './config.ts'

/** The IPAM plugin whose addresses stand in the configuration. It keeps nothing, so there is nothing to release. */
export const staticIpam: CniPlugin = {
  name: 'static',
  supportedVersions: cniVersions,
  add: async request => staticResultFrom(request),
  check,
  async del() {},
  async gc() {},
  status: async request => {
    staticResultFrom(request)
  },
}

/** @throws {CniError} code 100: an address is not in prevResult. */
async function check(request: AttachmentRequest): Promise<void> {
  const present = new Set(
    request.config.prevResult?.ips.map(({ address }) => formatPrefix(address)),
  )
  const missing = staticResultFrom(request)
    .ips.map(({ address }) => formatPrefix(address))
    .filter(address => !present.has(address))
  if (missing.length === 0) return
  throw new CniError(cniCodes.checkFailed, `prevResult lacks ${missing.join(', ')}`)
}
