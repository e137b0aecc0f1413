import { type Query, type Reply, reply } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'
import { noArguments } from '../no-arguments.ts'

/** `any`: answers questions for ANY with one small record (RFC 8482 section 4.2). */
export const any: PluginDefinition = {
  name: 'any',
  repeatable: true,
  setup(directives) {
    directives.forEach(noArguments)
    return {
      name: 'any',
      wrap: next => (query, signal) =>
        query.question.type === 'ANY' ? obsoleted(query) : next(query, signal),
    }
  },
}

const obsoleted = ({ question }: Query): Reply =>
  reply({
    answers: [
      {
        name: question.name,
        type: 'HINFO',
        class: question.class,
        ttl: 8482,
        data: { cpu: 'ANY obsoleted', os: 'See RFC 8482' },
      },
    ],
  })
