import type { CniPlugin } from '../spec/plugin.ts'
import { cniVersions } from '../spec/version.ts'
import { delVeth, gcVeth } from '../veth/del.ts'
import { statusVeth } from '../veth/status.ts'
import { addBridge } from './add.ts'
import { checkBridge } from './check.ts'
import { bridgeConfigFrom } from './config.ts'

/** Connects containers to a bridge on the host by veth pairs, and the bridge, when wanted, to the world. */
export const bridge: CniPlugin = {
  name: 'bridge',
  supportedVersions: cniVersions,
  add: addBridge,
  check: checkBridge,
  del: delVeth,
  gc: gcVeth,
  status: (request, context) => statusVeth(request, bridgeConfigFrom(request), context),
}
