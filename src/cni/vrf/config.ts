import { integerField, invalid, stringField } from '../spec/config-object.ts'
import { isInterfaceName } from '../spec/environment.ts'
import type { CniConfig } from '../spec/plugin.ts'

export type VrfConfig = {
  /** Name of the VRF device; created when missing. */
  readonly vrf: string
  /** Its table; undefined: what it has, or a free one. */
  readonly table: number | undefined
}

const MAX_TABLE = 0xffffffff

/** @throws {CniError} code 6 or 7 */
export function vrfConfigFrom({ fields }: CniConfig): VrfConfig {
  const vrf = stringField(fields, 'vrfname') ?? ''
  if (vrf === '') throw invalid(fields, 'vrfname', 'is missing')
  if (!isInterfaceName(vrf)) throw invalid(fields, 'vrfname', `'${vrf}' is no name of an interface`)
  const table = integerField(fields, 'table') ?? 0
  if (table < 0 || table > MAX_TABLE) throw invalid(fields, 'table', `${table} is no table`)
  return { vrf, table: table === 0 ? undefined : table }
}
