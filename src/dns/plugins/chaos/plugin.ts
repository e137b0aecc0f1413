import { hostname } from 'node:os'
import { version } from '#runtime/version.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import { type Query, type Reply, reply } from '../../message.ts'
import type { PluginDefinition } from '../../plugin.ts'

/** `chaos`: answers questions of class CH about the server itself. */
export const chaos: PluginDefinition = {
  name: 'chaos',
  repeatable: true,
  setup(directives) {
    const texts = textsOf(directives)
    return {
      name: 'chaos',
      wrap: next => (query, signal) => {
        const { class: queryClass, type, name } = query.question
        const found =
          queryClass === 'CH' && type === 'TXT' ? texts.get(name.toLowerCase()) : undefined
        return found === undefined ? next(query, signal) : answer(query, found)
      },
    }
  },
}

/** What each name says: `chaos [VERSION] [AUTHORS...]`, of several directives the last. */
function textsOf(directives: readonly Directive[]): ReadonlyMap<string, readonly string[]> {
  const directive = directives.at(-1)
  if (directive?.block !== undefined) throw directiveError(directive, 'takes no options in braces')
  const [own = `nodeplane-${version}`, ...authors] = directive?.args ?? []
  const tooLong = [own, ...authors].find(text => Buffer.byteLength(text) > MAX_TEXT_OCTETS)
  if (directive !== undefined && tooLong !== undefined) {
    throw directiveError(directive, `'${tooLong}' is longer than ${MAX_TEXT_OCTETS} octets`)
  }
  return new Map([
    ['version.bind.', [own]],
    ['version.server.', [own]],
    ['hostname.bind.', [hostname()]],
    ['id.server.', [hostname()]],
    ...(authors.length === 0 ? [] : [['authors.bind.', authors] as const]),
  ])
}

/** A character-string has no more (RFC 1035 section 3.3). */
const MAX_TEXT_OCTETS = 255

const answer = ({ question: { name } }: Query, texts: readonly string[]): Reply =>
  reply({
    answers: texts.map(text => ({
      name,
      type: 'TXT',
      class: 'CH',
      ttl: 0,
      data: [new TextEncoder().encode(text)],
    })),
  })
