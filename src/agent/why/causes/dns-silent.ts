import type { Cause } from '../cause.ts'

/** None of the servers that the client asks answers anything. */
export const dnsSilent: Cause = ({ name }) => {
  if (name === undefined || name.candidates.length === 0) return undefined
  if (name.candidates.some(({ rcode }) => rcode !== 'SILENT')) return undefined
  const servers = name.resolver.servers.join(', ')
  return {
    cause: 'dns-silent',
    step: 'name',
    message:
      servers === ''
        ? `there is no DNS server to ask for ${name.asked} (${name.resolver.why})`
        : `DNS at ${servers} does not answer (${name.resolver.why})`,
    fix: `see that the DNS server runs, and ask about its own Service: nodeplane why ${name.resolver.servers[0] ?? 'ADDRESS'}:53`,
  }
}
