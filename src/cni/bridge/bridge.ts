import type { CniPlugin } from '../spec/plugin.ts'
import { cniVersions } from '../spec/version.ts'
import { addBridge } from './add.ts'
import { checkBridge } from './check.ts'
import { delBridge, gcBridge } from './del.ts'
import { bridgeRestoring } from './restore.ts'
import { statusBridge } from './status.ts'

/** Connects containers to a bridge on the host by veth pairs, and the bridge, when wanted, to the world. */
export const bridge: CniPlugin = {
  name: 'bridge',
  supportedVersions: cniVersions,
  add: addBridge,
  check: checkBridge,
  del: delBridge,
  gc: gcBridge,
  status: statusBridge,
  restoring: bridgeRestoring,
}
