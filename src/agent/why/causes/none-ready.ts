import { count } from '../../status/words.ts'
import type { Cause } from '../cause.ts'
import { few } from '../describe.ts'
import { endpointsIn, isHeadless, isUsable } from '../service.ts'

/** There are endpoints, but none is ready, nor serving while it terminates. */
export const noneReady: Cause = ({ service }) => {
  if (service?.service === undefined || isHeadless(service.service)) return undefined
  const all = endpointsIn(service.slices)
  if (all.length === 0 || all.some(isUsable)) return undefined
  const { namespace } = service.service.metadata
  return {
    cause: 'none-ready',
    step: 'endpoint',
    message: `Service ${service.key} has ${count(all.length, 'endpoint')}, none of them ready: ${few(all.map(({ podName, addresses }) => podName ?? addresses[0] ?? '?'))}`,
    fix: `look at the readiness probes: kubectl -n ${namespace} describe pod ${all[0]?.podName ?? 'NAME'}`,
  }
}
