import { Writable } from 'node:stream'
import t from 'tap'
import { createLineLog } from '../../src/dns/line-log.ts'

/** An output that takes nothing in before `drain`, and then everything. */
function slowOutput() {
  const taken: string[] = []
  let isOpen = false
  let release = (): void => undefined
  const output = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      taken.push(chunk.toString())
      if (isOpen) callback()
      else release = callback
    },
  })
  const drain = (): void => {
    isOpen = true
    release()
  }
  return { output, taken, drain }
}

t.test('a line has its level before it, and stays one line', async t => {
  const { output, taken, drain } = slowOutput()
  drain()
  const log = createLineLog(output)
  log.line('INFO', 'hello')
  log.line('ERROR', 'a\nb\u001b[31m\u0085')
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(taken, ['[INFO] hello\n', '[ERROR] a?b?[31m?\n'])
})

t.test('while nobody reads, lines are dropped, and told of later', async t => {
  const { output, taken, drain } = slowOutput()
  const log = createLineLog(output)
  const text = 'x'.repeat(64 * 1024)
  for (let line = 0; line < 100; line++) log.line('INFO', text)
  t.ok(output.writableLength < 2 * 1024 * 1024)
  drain()
  await new Promise(resolve => setImmediate(resolve))
  const dropped = 100 - taken.length
  t.ok(dropped > 0)
  log.line('INFO', 'later')
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(taken.slice(-2), [
    `[WARNING] ${dropped} lines were not written: stdout is read too slowly\n`,
    '[INFO] later\n',
  ])
})
