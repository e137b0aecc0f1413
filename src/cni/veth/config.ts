import {
  booleanField,
  type ConfigObject,
  integerField,
  invalid,
  objectField,
  stringField,
  stringsField,
} from '../spec/config-object.ts'
import type { CniConfig } from '../spec/plugin.ts'
import type { CniDns } from '../spec/result.ts'

/** The largest number in netlink's field; what a link takes is for the kernel to say. */
const MAX_MTU = 0xffffffff

/** Are the container's connections to the outside to be masqueraded? DEL asks only this. @throws {CniError} code 6 */
export const wantsMasquerade = ({ fields }: CniConfig): boolean =>
  booleanField(fields, 'ipMasq') ?? false

/** The wanted MTU; 0 is none. @throws {CniError} code 6 or 7 */
export function mtuOf(fields: ConfigObject): number | undefined {
  const mtu = integerField(fields, 'mtu') ?? 0
  if (mtu < 0 || mtu > MAX_MTU) throw invalid(fields, 'mtu', `${mtu} is no MTU`)
  return mtu === 0 ? undefined : mtu
}

/** The configuration's `dns`, when any of its keys is set. @throws {CniError} code 6 */
export function dnsOf(fields: ConfigObject): CniDns | undefined {
  const object = objectField(fields, 'dns')
  if (object === undefined) return undefined
  const nameservers = stringsField(object, 'nameservers')
  const domain = stringField(object, 'domain') ?? ''
  const search = stringsField(object, 'search')
  const options = stringsField(object, 'options')
  const isSet = domain !== '' || nameservers.length + search.length + options.length > 0
  return isSet ? { nameservers, domain, search, options } : undefined
}
