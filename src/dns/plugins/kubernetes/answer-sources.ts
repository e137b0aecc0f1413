import type { Change } from '#cluster/store.ts'
import type { Reply } from '../../message.ts'
import type { ZoneQuestion } from '../../zone/outcome.ts'
import { type Grammar, parseRequest } from '../../zone/request.ts'
import { isReverseZone } from '../../zone/reverse-name.ts'
import { importKeyOf, serviceKeyOf } from '../../zone/zone-index.ts'

const service = (key: string): string => `service ${key}`
const imported = (key: string): string => `import ${key}`
const namespace = (name: string): string => `namespace ${name}`

/**
 * What the reply to a question was made from: while none of it is touched ({@link sourcesTouchedBy}), the reply is right. The
 * names of Services, which are asked for most, depend on little; what is negative has the zone's serial in it, and so depends on
 * everything: undefined.
 */
export function sourcesOf(
  { name, zone }: ZoneQuestion,
  { answers, authorities }: Reply,
  grammar: Grammar,
): readonly string[] | undefined {
  const lowerZone = zone.toLowerCase()
  if (isReverseZone(lowerZone) || authorities.length > 0) return undefined
  // An alias leads to other Services, and those perhaps to others.
  if (answers.some(({ type }) => ['CNAME', 'NS', 'SOA'].includes(type))) return undefined
  const request = parseRequest(name.toLowerCase(), lowerZone, grammar)
  if (request.kind !== 'service') return undefined
  const key = `${request.namespace}/${request.service}`
  return [namespace(request.namespace), (grammar.multicluster ? imported : service)(key)]
}

/** Can a change move the serial of the zone, or add, take away or change a name? */
export const touchesSomething = ({ kind }: Change): boolean =>
  kind !== 'Node' && kind !== 'ServiceCIDR'

/** What a change of the index touches, beside everything. */
export function sourcesTouchedBy(change: Change): readonly string[] {
  switch (change.kind) {
    case 'Namespace':
      return [namespace(change.key)]
    case 'Service':
      return [service(change.key)]
    case 'EndpointSlice': {
      const slices = [change.before, change.after].filter(slice => slice !== undefined)
      const services = slices.map(serviceKeyOf).filter(key => key !== undefined)
      const imports = slices.map(importKeyOf).filter(key => key !== undefined)
      return [...services.map(service), ...imports.map(imported)]
    }
    case 'ServiceImport':
      return [imported(change.key)]
    case 'Pod':
    case 'Node':
    case 'ServiceCIDR':
      return []
  }
}
