import type { IpAddress, IpFamily } from '#net/ip.ts'
import { prefixContains } from '#net/prefix.ts'
import { nodePortPrefixes, selectedAddresses } from '../node-port-addresses.ts'
import type { ProxySettings } from '../settings.ts'
import type { NodePortAddresses } from './fixed.ts'

type Selection = Pick<ProxySettings, 'nodePortAddresses' | 'localhostNodePorts'>

/** Are node ports to answer on 127.0.0.0/8? Never on ::1, which the kernel does not route. */
export function wantsLocalhostNodePorts(selection: Selection, family: IpFamily): boolean {
  if (family === 6 || selection.localhostNodePorts !== true) return false
  const prefixes = nodePortPrefixes(selection, family)
  return (
    prefixes.length === 0 ||
    prefixes.some(
      prefix =>
        prefix.address.startsWith('127.') || prefixContains(prefix, '127.0.0.0' as IpAddress),
    )
  )
}

/** Where node ports are to answer: on the addresses of this machine that are selected, sorted. */
export function nodePortAddressesOf(selection: Selection, family: IpFamily): NodePortAddresses {
  const prefixes = nodePortPrefixes(selection, family)
  return prefixes.length === 0 ? 'all' : [...selectedAddresses(prefixes, family)].sort()
}
