import { readFileSync, statSync } from 'node:fs'
import { isPluginName, loadPlugin } from './plugins.ts'
import type { FindOwnPlugin } from './spec/delegate.ts'

/** Our executables are small starters; what is larger is someone else's. */
const MAX_STARTER_BYTES = 1024 * 1024

/**
 * Recognises our own executables, so that a delegate that is one needs no second process: all are the same file under
 * several names, be they links or copies.
 * @param self the executable of this call.
 */
export const findOwnPluginBeside =
  (self: string): FindOwnPlugin =>
  async (executable, type) => {
    if (!isPluginName(type) || !isSameProgram(self, executable)) return undefined
    return await loadPlugin(type)
  }

function isSameProgram(a: string, b: string): boolean {
  try {
    const [first, second] = [statSync(a), statSync(b)]
    if (first.dev === second.dev && first.ino === second.ino) return true
    if (first.size !== second.size || first.size > MAX_STARTER_BYTES) return false
    return readFileSync(a).equals(readFileSync(b))
  } catch {
    // Not to be read: then it is started, and says itself what is wrong.
    return false
  }
}
