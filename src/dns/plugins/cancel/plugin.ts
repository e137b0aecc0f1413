import { parseSpan } from '../../corefile/arguments.ts'
import type { Directive } from '../../corefile/directive.ts'
import { directiveError } from '../../corefile/problem.ts'
import type { Reply } from '../../message.ts'
import type { Handler, PluginDefinition } from '../../plugin.ts'

/** A little more than `forward` takes at most, milliseconds. */
const DEFAULT_MS = 5001

/** `cancel`: gives queries up that take too long; nothing is sent then, the client asks again. */
export const cancel: PluginDefinition = {
  name: 'cancel',
  repeatable: true,
  setup(directives) {
    const limitMs = Math.min(...directives.map(parseCancel))
    return { name: 'cancel', wrap: next => limited(next, limitMs) }
  },
}

const limited =
  (next: Handler, limitMs: number): Handler =>
  async (query, signal) => {
    const tooLate = new AbortController()
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    const timer = setTimeout(() => {
      // Silence first: the plugins behind will throw once they are told.
      resolve(undefined)
      tooLate.abort()
    }, limitMs)
    try {
      return await Promise.race([promise, next(query, AbortSignal.any([signal, tooLate.signal]))])
    } finally {
      clearTimeout(timer)
    }
  }

function parseCancel(directive: Directive): number {
  const [text, ...more] = directive.args
  const ms = text === undefined ? DEFAULT_MS : parseSpan(text)
  if (ms !== undefined && ms > 0 && more.length === 0 && directive.block === undefined) return ms
  throw directiveError(directive, 'takes one duration above zero, e.g. 5s, and no braces')
}
