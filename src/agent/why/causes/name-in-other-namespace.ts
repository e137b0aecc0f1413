import type { Cause } from '../cause.ts'
import { few } from '../describe.ts'
import { isFound } from '../names.ts'

/** The client's own namespace has no Service of this name, another one has. */
export const nameInOtherNamespace: Cause = ({ name }) => {
  if (name === undefined || isFound(name) || name.meant !== undefined) return undefined
  const [first] = name.elsewhere
  const isDenied = name.candidates.every(({ rcode }) => rcode === 'NXDOMAIN' || rcode === 'NOERROR')
  // A name with a dot may be one of the world outside, which only an answer tells.
  if (first === undefined || (name.asked.includes('.') && !isDenied)) return undefined
  const [namespace = '', service = ''] = first.split('/')
  return {
    cause: 'name-in-other-namespace',
    step: 'name',
    message: `${name.asked} does not exist where it is asked; the Service is ${few(name.elsewhere)}`,
    fix: `ask for ${service}.${namespace}, or for ${service}.${namespace}.svc.${name.clusterDomain}`,
  }
}
