import { EDE, extendedError } from '../../extended-error.ts'
import { type Query, type Reply, reply } from '../../message.ts'
import { counter } from '../../metric.ts'
import { longestZone } from '../../name.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { type AclAction, type AclStanza, decide, parseAcl } from './rules.ts'

/** `acl`: who may ask for what. It stands before `cache`, so that an answer from there does not get round it. */
export const acl: PluginDefinition = {
  name: 'acl',
  repeatable: true,
  setup(directives, context) {
    const stanzas = directives.map(directive => parseAcl(directive, context.zones))
    const count = aclMetrics(context)
    return {
      name: 'acl',
      wrap: next => (query, signal) => {
        const { action, zone } = judge(stanzas, query)
        count(action, zone)
        return action === 'allow' ? next(query, signal) : refusals[action]
      },
    }
  },
}

const refusals: Readonly<Record<Exclude<AclAction, 'allow'>, Reply | undefined>> = {
  block: reply({ rcode: 'REFUSED', ednsOptions: [extendedError(EDE.blocked)] }),
  filter: reply({ ednsOptions: [extendedError(EDE.filtered)] }),
  drop: undefined,
}

/** The directives in the order of the file: the first rule that fits decides, also when it allows. */
function judge(
  stanzas: readonly AclStanza[],
  { question, client }: Query,
): { readonly action: AclAction; readonly zone: string } {
  const name = question.name.toLowerCase()
  const asked = { type: question.type, source: client.address }
  for (const stanza of stanzas) {
    const zone = longestZone(stanza.zones, name)
    if (zone === undefined) continue
    const { action, isDefault } = decide(stanza, asked)
    if (!isDefault) return { action, zone }
  }
  return { action: 'allow', zone: '' }
}

function aclMetrics({ metrics, server, view }: SetupContext) {
  const labels = ['server', 'zone', 'view'] as const
  const refused = {
    block: counter(metrics, {
      name: 'coredns_acl_blocked_requests_total',
      help: 'Queries that acl refused.',
      labels,
    }),
    filter: counter(metrics, {
      name: 'coredns_acl_filtered_requests_total',
      help: 'Queries that acl gave an empty answer.',
      labels,
    }),
    drop: counter(metrics, {
      name: 'coredns_acl_dropped_requests_total',
      help: 'Queries that acl left unanswered.',
      labels,
    }),
  }
  const allowed = counter(metrics, {
    name: 'coredns_acl_allowed_requests_total',
    help: 'Queries that acl let pass.',
    labels: ['server', 'view'],
  })
  return (action: AclAction, zone: string): void => {
    if (action === 'allow') allowed.inc({ server, view })
    else refused[action].inc({ server, zone, view })
  }
}
