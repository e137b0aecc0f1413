import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { lockFile } from '#linux/file-lock.ts'
import { systemClock } from '#runtime/clock.ts'
import { eventually } from '../helper/eventually.ts'

const clock = systemClock

t.test('a lock excludes others until it is disposed', async t => {
  const path = join(t.testdir(), 'lock')
  const first = await lockFile(path, { timeoutMs: 0, clock })
  await t.rejects(lockFile(path, { timeoutMs: 0, clock }), {
    code: 'ERR_FILE_LOCK_TIMEOUT',
    message: /held by others for 0 ms/,
  })
  const second = lockFile(path, { timeoutMs: 10_000, clock })
  first[Symbol.dispose]()
  ;(await second)[Symbol.dispose]()
})

t.test('it excludes other programs that use flock, and ends with them', async t => {
  const path = join(t.testdir(), 'lock')
  const child = spawn('flock', [path, 'cat'], { stdio: 'pipe' })
  child.stdin.write('x')
  await once(child.stdout, 'data')
  await t.rejects(lockFile(path, { timeoutMs: 0, clock }), { code: 'ERR_FILE_LOCK_TIMEOUT' })
  child.stdin.end()
  await once(child, 'exit')
  using _lock = await eventually('the lock', () => lockFile(path, { timeoutMs: 0, clock }))
})

t.test('waiting ends when the signal is aborted', async t => {
  const path = join(t.testdir(), 'lock')
  using _lock = await lockFile(path, { timeoutMs: 0, clock })
  const signal = AbortSignal.timeout(20)
  await t.rejects(lockFile(path, { timeoutMs: 60_000, clock, signal }), { name: 'AbortError' })
})

t.test('a file that cannot be made is a system error', async t => {
  const path = join(t.testdir(), 'missing', 'lock')
  await t.rejects(lockFile(path, { timeoutMs: 0, clock }), { code: 'ENOENT' })
})
