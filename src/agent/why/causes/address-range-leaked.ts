import type { Pod } from '#cluster/objects.ts'
import { keyOf } from '#cluster/objects.ts'
import type { Cause } from '../cause.ts'
import { few } from '../describe.ts'
import type { Facts } from '../facts.ts'

/** A pod waits for an address while leases of pods that are gone hold the whole range. */
export const addressRangeLeaked: Cause = facts => {
  const full = facts.leases.find(({ leased, size, leaked }) => leased >= size && leaked.length > 0)
  if (full === undefined) return undefined
  const waiting = podWithoutAddress(facts)
  if (waiting === undefined) return undefined
  const { network, range, size, leaked, folder } = full
  return {
    cause: 'address-range-leaked',
    step: waiting === facts.client.pod ? 'client' : 'endpoint',
    message: `pod ${keyOf(waiting)} has no address: all ${size} of ${range} (network ${network}) are leased, ${leaked.length} of them to pods that are gone (${few(leaked)})`,
    fix: `delete the files of these addresses in ${folder}, or let the runtime send GC`,
  }
}

function podWithoutAddress({ client, service, nodeName }: Facts): Pod | undefined {
  const pods = [...(client.pod === undefined ? [] : [client.pod]), ...(service?.pods ?? [])]
  return pods.find(
    pod =>
      pod.nodeName === nodeName &&
      pod.podIPs.length === 0 &&
      !pod.hostNetwork &&
      !pod.deleting &&
      pod.phase !== 'Succeeded' &&
      pod.phase !== 'Failed',
  )
}
