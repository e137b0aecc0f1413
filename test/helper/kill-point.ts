import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { NetlinkSocket } from '#linux/netlink/socket.ts'

/** What changes files; what only reads may go on in a dead process. */
const fileChanges = ['writeFileSync', 'linkSync', 'renameSync', 'rmSync', 'mkdirSync'] as const

/** How a run ended. */
export type KilledRun<T> = {
  /** undefined: it was killed. */
  readonly result: T | undefined
  /** Calls of the kernel that were begun: netlink requests, programs, changes of files. */
  readonly calls: number
}

/**
 * Runs `work` as a process that is killed at its `last`th call of the kernel would run: that call is done, and none after
 * it, those that undo included. Nothing else may work in this process meanwhile.
 */
export async function killedAfter<T>(last: number, work: () => Promise<T>): Promise<KilledRun<T>> {
  let calls = 0
  const step = () => {
    calls += 1
    if (calls > last) throw new Error('killed')
  }
  using undo = new DisposableStack()
  const hook = <O extends object, K extends keyof O>(owner: O, key: K, isAsync = false) => {
    const original = owner[key] as (...args: unknown[]) => unknown
    undo.defer(() => {
      owner[key] = original as O[K]
    })
    owner[key] = function (this: unknown, ...args: unknown[]) {
      try {
        step()
      } catch (error) {
        if (isAsync) return Promise.reject(error)
        throw error
      }
      return original.apply(this, args)
    } as O[K]
  }
  undo.defer(syncBuiltinESMExports)
  hook(NetlinkSocket.prototype, 'request', true)
  hook(NetlinkSocket.prototype, 'dump', true)
  hook(childProcess, 'spawn')
  for (const key of fileChanges) hook(fs, key)
  syncBuiltinESMExports()
  const result = await work()
  return { result: calls > last ? undefined : result, calls }
}
