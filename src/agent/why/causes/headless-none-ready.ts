import { count } from '../../status/words.ts'
import type { Cause } from '../cause.ts'
import { endpointsIn, isHeadless } from '../service.ts'

/** A headless Service has no address of its own: DNS answers with its ready pods, so with none. */
export const headlessNoneReady: Cause = ({ service }) => {
  if (service?.service === undefined || !isHeadless(service.service)) return undefined
  if (service.service.publishNotReadyAddresses) return undefined
  const all = endpointsIn(service.slices)
  if (all.some(({ conditions }) => conditions.ready)) return undefined
  const what =
    all.length === 0
      ? 'has no endpoints'
      : `has ${count(all.length, 'endpoint')}, none of them ready`
  return {
    cause: 'headless-none-ready',
    step: 'name',
    message: `headless Service ${service.key} ${what}, so its name has no address`,
    fix: `make its pods ready (kubectl -n ${service.service.metadata.namespace} get pods), or set publishNotReadyAddresses`,
  }
}
