import type { Cause } from '../cause.ts'
import { isFound } from '../names.ts'

/** A name outside the cluster cannot be resolved because no upstream answers. */
export const upstreamResolverDown: Cause = ({ name }) => {
  if (name === undefined || isFound(name) || name.meant !== undefined) return undefined
  const { upstreams } = name
  if (upstreams.length === 0 || upstreams.some(({ answers }) => answers)) return undefined
  const failed = name.candidates.find(({ rcode }) => rcode === 'SERVFAIL' || rcode === 'SILENT')
  if (failed === undefined) return undefined
  const servers = upstreams.map(({ server, reason }) => `${server} (${reason ?? 'silent'})`)
  return {
    cause: 'upstream-resolver-down',
    step: 'name',
    message: `${failed.name} is ${failed.rcode}: no upstream resolver answers: ${servers.join(', ')}`,
    fix: 'see that these resolvers run and that this node reaches their port; or name others in the Corefile (forward)',
  }
}
