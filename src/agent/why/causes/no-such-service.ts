import type { Cause } from '../cause.ts'
import { formatTarget } from '../target.ts'

/** The cluster has no Service by this key or at this address. */
export const noSuchService: Cause = ({ target, service, view }) => {
  if (target.kind === 'name' || view.state === 'unreachable') return undefined
  if (service?.service !== undefined) return undefined
  return {
    cause: 'no-such-service',
    step: 'address',
    message:
      target.kind === 'address'
        ? `${formatTarget(target)} is an address of no Service`
        : `there is no Service ${target.namespace}/${target.name}`,
    fix: 'kubectl get services -A lists those that there are',
  }
}
