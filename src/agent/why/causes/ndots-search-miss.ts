import type { Cause } from '../cause.ts'
import { candidatesOf, fqdnOf } from '../names.ts'

/**
 * The Service exists and its name would be found, but the resolver does not come to it: its search list or ndots do not lead
 * there, something else answers first, or only glibc goes on (musl's resolver looks no further once a name has `ndots` dots).
 */
export const ndotsSearchMiss: Cause = ({ name, client }) => {
  if (name?.meant === undefined || name.candidates.length === 0) return undefined
  if (name.candidates.every(({ rcode }) => rcode === 'SILENT')) return undefined
  const wanted = fqdnOf(name.meant, name.clusterDomain)
  const { resolver, asked } = name
  const before = candidatesOf(asked, resolver)
  const place = before.findIndex(candidate => candidate.name === wanted)
  const found = name.candidates.find(({ addresses }) => addresses.length > 0)
  const isShort = !asked.endsWith('.')
  const settings = `ndots:${resolver.ndots}, search ${resolver.searches.join(' ') || 'nothing'}`
  const finding = (message: string) =>
    ({
      cause: 'ndots-search-miss',
      step: 'name',
      message: `${message} (${settings})`,
      fix: `ask for ${wanted}, or give ${client.pod === undefined ? 'the client' : 'the pod'} the cluster's search list and ndots:5 (dnsPolicy ClusterFirst)`,
    }) as const
  if (place === -1) return finding(`${asked} never becomes ${wanted}`)
  if (found !== undefined && found.name !== wanted) {
    return finding(`${asked} is answered as ${found.name}, not as ${wanted}`)
  }
  const isAskedAsGivenFirst = before[0]?.isAsGiven === true && place > 0
  if (isShort && isAskedAsGivenFirst) {
    return finding(
      `${asked} is asked as it is first, and only programs with glibc go on to ${wanted}; musl does not`,
    )
  }
  return undefined
}
