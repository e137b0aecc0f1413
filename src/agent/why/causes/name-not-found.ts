import type { Cause } from '../cause.ts'
import { isFound } from '../names.ts'

/** Nobody has this name. */
export const nameNotFound: Cause = ({ name, service }) => {
  if (name === undefined || isFound(name) || service?.service !== undefined) return undefined
  if (name.elsewhere.length > 0) return undefined
  const isDenied = name.candidates.some(({ rcode }) => rcode === 'NXDOMAIN' || rcode === 'NOERROR')
  if (!isDenied || name.candidates.some(({ rcode }) => rcode === 'SERVFAIL')) return undefined
  const asked = name.candidates.map(candidate => `${candidate.name} ${candidate.rcode}`)
  return {
    cause: 'name-not-found',
    step: 'name',
    message: `${name.asked} has no address: ${asked.join(', ')}`,
    fix: 'check the spelling; a name of the cluster is SERVICE.NAMESPACE',
  }
}
