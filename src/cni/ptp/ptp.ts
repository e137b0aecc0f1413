import type { CniPlugin } from '../spec/plugin.ts'
import { cniVersions } from '../spec/version.ts'
import { delVeth, gcVeth } from '../veth/del.ts'
import { statusVeth } from '../veth/status.ts'
import { addPtp } from './add.ts'
import { checkPtp } from './check.ts'
import { ptpConfigFrom } from './config.ts'
import { ptpRestoring } from './restore.ts'

/** Connects each container to the host by a veth pair of its own, and by the host's routes to all else. */
export const ptp: CniPlugin = {
  name: 'ptp',
  supportedVersions: cniVersions,
  add: addPtp,
  check: checkPtp,
  del: delVeth,
  gc: gcVeth,
  status: (request, context) => statusVeth(request, ptpConfigFrom(request), context),
  restoring: ptpRestoring,
}
