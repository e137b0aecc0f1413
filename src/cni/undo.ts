import { describeError } from '#runtime/error.ts'
import type { CniContext } from './spec/plugin.ts'

/** How long a step back may take that asks a program; the call's own signal may be why it is taken. */
export const UNDO_LIMIT_MS = 10_000

/** Notes a step back, taken should the ADD fail; its own failure is only told. */
export type Undo = (what: string, action: () => Promise<unknown>) => void

/** Steps back are taken, the last noted first, when the stack is disposed without having been moved. */
export const undoOn =
  (stack: AsyncDisposableStack, { warn }: Pick<CniContext, 'warn'>): Undo =>
  (what, action) =>
    stack.defer(async () => {
      await action().catch((error: unknown) => {
        warn(`undoing a failed ADD: ${what}: ${describeError(error)}`)
      })
    })
