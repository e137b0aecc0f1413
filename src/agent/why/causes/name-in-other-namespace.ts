import type { Cause } from '../cause.ts'
import { few } from '../describe.ts'
import { isFound } from '../names.ts'

/** The client's own namespace has no Service of this name, another one has. */
export const nameInOtherNamespace: Cause = ({ name }) => {
  if (name === undefined || isFound(name) || name.meant !== undefined) return undefined
  const [first] = name.elsewhere
  if (first === undefined) return undefined
  const [namespace = '', service = ''] = first.split('/')
  return {
    cause: 'name-in-other-namespace',
    step: 'name',
    message: `${name.asked} does not exist where it is asked; the Service is ${few(name.elsewhere)}`,
    fix: `ask for ${service}.${namespace}, or for ${service}.${namespace}.svc.${name.clusterDomain}`,
  }
}
