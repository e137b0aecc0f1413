import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ExecError, exec, isProgramMissing } from '#linux/exec.ts'
import { eventually } from '../helper/eventually.ts'

const failure = (script: string, options?: Parameters<typeof exec>[2]) =>
  exec('sh', ['-c', script], options).then(
    () => t.fail('it ended well'),
    (error: unknown) => error as ExecError,
  )

t.test('how a program ended is in the message', async t => {
  t.match(await failure('echo no >&2; exit 3'), { message: 'sh: exit status 3: no', exitCode: 3 })
  t.match(await failure('kill -9 $$'), { message: 'sh: died of SIGKILL', exitCode: undefined })
  t.match(await failure('yes', { maxOutputBytes: 10 }), { message: /wrote more than 10 bytes/ })
  const missing = await exec('no-such-program', []).catch((error: unknown) => error)
  t.ok(missing instanceof ExecError && isProgramMissing(missing))
})

t.test('one that hangs is killed, even if what it started holds its output', async t => {
  const folder = t.testdir()
  const file = join(folder, 'pids')
  // The second `sleep` inherits the pipes and outlives its parent.
  const error = await failure(`sleep 30 & echo $$ $! >${file}; sleep 30`, { timeoutMs: 200 })
  t.match(error, { message: 'sh: killed, for it took longer than 200 ms', exitCode: undefined })
  const [pid = 0, orphan = 0] = readFileSync(file, 'utf8').split(' ').map(Number)
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  process.kill(orphan, 'SIGKILL')
})

t.test('a signal ends it at once', async t => {
  const file = join(t.testdir(), 'pid')
  const stop = new AbortController()
  const error = failure(`echo $$ >${file}; exec sleep 30`, { signal: stop.signal })
  const pid = await eventually('the program', () => Number(readFileSync(file, 'utf8')) || undefined)
  stop.abort()
  t.match(await error, { code: 'ERR_EXEC' })
  await eventually('its end', () => {
    try {
      return !process.kill(pid, 0)
    } catch {
      return true
    }
  })
})
