import type { Cause } from '../cause.ts'

/** The Service has no such port. */
export const noSuchPort: Cause = ({ target, service }) => {
  if (service?.service === undefined || service.port !== undefined) return undefined
  if (target.port === undefined) return undefined
  const ports = service.service.ports.map(({ name, port, protocol }) =>
    name === '' ? `${port}/${protocol}` : `${name} ${port}/${protocol}`,
  )
  return {
    cause: 'no-such-port',
    step: 'address',
    message: `Service ${service.key} has no port ${target.port}; it has ${ports.join(', ') || 'none'}`,
    fix: 'connect to one of its ports, or add this one to the Service',
  }
}
