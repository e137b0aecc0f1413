import { networkInterfaces } from 'node:os'
import { type IpAddress, type IpFamily, parseIp } from '#net/ip.ts'
import { type IpPrefix, prefixContains } from '#net/prefix.ts'
import type { ProxySettings } from '../settings.ts'
import type { NodePortAddresses } from './fixed.ts'

type Selection = Pick<ProxySettings, 'nodePortAddresses' | 'localhostNodePorts'>

/** The prefixes of a family that node ports answer in; none: they answer on all addresses. */
function prefixesOf({ nodePortAddresses }: Selection, family: IpFamily): readonly IpPrefix[] {
  const prefixes = nodePortAddresses.filter(prefix => prefix.family === family)
  return prefixes.some(({ length }) => length === 0) ? [] : prefixes
}

/** Are node ports to answer on 127.0.0.0/8? Never on ::1, which the kernel does not route. */
export function wantsLocalhostNodePorts(selection: Selection, family: IpFamily): boolean {
  if (family === 6 || selection.localhostNodePorts !== true) return false
  const prefixes = prefixesOf(selection, family)
  return (
    prefixes.length === 0 ||
    prefixes.some(
      prefix =>
        prefix.address.startsWith('127.') || prefixContains(prefix, '127.0.0.0' as IpAddress),
    )
  )
}

/** The addresses of this machine's links that are selected. */
export function selectedAddresses(selection: Selection, family: IpFamily): NodePortAddresses {
  const prefixes = prefixesOf(selection, family)
  if (prefixes.length === 0) return 'all'
  const own = new Set<IpAddress>()
  for (const { address: text } of Object.values(networkInterfaces()).flatMap(list => list ?? [])) {
    const address = parseIp(text)
    if (address !== undefined && prefixes.some(prefix => prefixContains(prefix, address))) {
      own.add(address)
    }
  }
  return [...own].sort()
}
