import type { Cause } from '../cause.ts'
import { fqdnOf, isFound } from '../names.ts'
import { isHeadless } from '../service.ts'

/** Nobody has this name; or a Service has it, of which the server that is asked does not know. */
export const nameNotFound: Cause = ({ name, service }) => {
  if (name === undefined || isFound(name) || name.elsewhere.length > 0) return undefined
  const { candidates, asked, meant, clusterDomain } = name
  const isDenied = ({ rcode }: { readonly rcode: string }) =>
    rcode === 'NXDOMAIN' || rcode === 'NOERROR'
  if (meant === undefined) {
    if (!candidates.every(isDenied)) return undefined
    const answers = candidates.map(candidate => `${candidate.name} ${candidate.rcode}`)
    return {
      cause: 'name-not-found',
      step: 'name',
      message: `${asked} has no address: ${answers.join(', ')}`,
      fix: 'check the spelling; a name of the cluster is SERVICE.NAMESPACE',
    }
  }
  const object = service?.service
  if (object === undefined || isHeadless(object) || object.type === 'ExternalName') return undefined
  const wanted = candidates.find(each => each.name === fqdnOf(meant, clusterDomain))
  if (wanted === undefined || !isDenied(wanted)) return undefined
  const place = wanted.server === undefined ? '' : ` at ${wanted.server}`
  return {
    cause: 'name-not-found',
    step: 'name',
    message: `DNS${place} answers ${wanted.rcode} for ${wanted.name}, though Service ${meant} exists`,
    fix: `see that the DNS server${place} sees the cluster and serves ${clusterDomain}`,
  }
}
