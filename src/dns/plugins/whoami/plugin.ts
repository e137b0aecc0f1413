import { familyOf } from '#net/ip.ts'
import { type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { noArguments } from '../no-arguments.ts'

/** `whoami`: tells the client its address and port. It answers every query, so nothing behind it is asked. */
export const whoami: PluginDefinition = {
  name: 'whoami',
  repeatable: true,
  setup(directives) {
    directives.forEach(noArguments)
    return { name: 'whoami', wrap: () => whoAreYou }
  },
}

function whoAreYou({ question, client, transport }: Query): Reply {
  const owner = { name: question.name, class: question.class, ttl: 0 }
  const address = {
    ...owner,
    type: familyOf(client.address) === 6 ? 'AAAA' : 'A',
    data: client.address,
  }
  const prefix = question.name === '.' ? `_${transport}.` : `_${transport}.${question.name}`
  const srv: ResourceRecord = {
    ...owner,
    name: prefix,
    type: 'SRV',
    data: { priority: 0, weight: 0, port: client.port, target: '.' },
  }
  return reply({ authoritative: true, additionals: [address as ResourceRecord, srv] })
}
