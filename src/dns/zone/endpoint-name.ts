import type { Endpoint } from '#cluster/objects.ts'

/** The longest pod name that serves as an endpoint's name: a DNS label has at most 63 octets. */
const MAX_LABEL_LENGTH = 63

/**
 * The label by which an endpoint's address is found below its Service: its hostname; with `podNames` the name of its Pod
 * where that fits a label; else the address with dashes.
 */
export function endpointName(endpoint: Endpoint, address: string, podNames: boolean): string {
  if (endpoint.hostname !== undefined && endpoint.hostname !== '') {
    return endpoint.hostname.toLowerCase()
  }
  const { podName } = endpoint
  if (podNames && podName !== undefined && podName !== '' && podName.length <= MAX_LABEL_LENGTH) {
    return podName.toLowerCase()
  }
  return dashedAddress(address)
}

/** `10-1-2-3`, `fd00-10--7`. A label cannot end in a dash: `fd00:10::` is `fd00-10--0`. */
export function dashedAddress(address: string): string {
  if (!address.includes(':')) return address.replaceAll('.', '-')
  const dashed = address.toLowerCase().replaceAll(':', '-')
  return dashed.endsWith('-') ? `${dashed}0` : dashed
}
