import { booleanField, fieldPath, integerField, invalid } from '../spec/config-object.ts'
import { CniError, cniCodes } from '../spec/error.ts'
import type { CniConfig } from '../spec/plugin.ts'

export type SbrConfig = {
  /** The table for the interface's routes; undefined: free ones are looked for. */
  readonly table: number | undefined
}

const MAX_TABLE = 0xffffffff
/** RT_TABLE_DEFAULT, MAIN, LOCAL (linux/rtnetlink.h), and 0, which means none. */
const RESERVED_TABLES: readonly number[] = [0, 253, 254, 255]

/** @throws {CniError} code 2, 6 or 7 */
export function sbrConfigFrom({ fields }: CniConfig): SbrConfig {
  const table = integerField(fields, 'table')
  if (table !== undefined && (table < 0 || table > MAX_TABLE || RESERVED_TABLES.includes(table))) {
    throw invalid(fields, 'table', `${table} is no table of its own, 1–${MAX_TABLE} but 253–255`)
  }
  if (booleanField(fields, 'addSourceHints')) {
    const path = fieldPath(fields, 'addSourceHints')
    throw new CniError(cniCodes.unsupportedField, `${path} true: not supported`)
  }
  return { table }
}
