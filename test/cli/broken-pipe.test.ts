import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

for (const args of [['--help'], ['proxy', '--help'], ['version']]) {
  t.test(`nobody reads what ${args.join(' ')} says: a quiet end`, async t => {
    const child = spawn(process.execPath, [MAIN, ...args])
    child.stdout.destroy()
    const said = text(child.stderr)
    t.strictSame(await once(child, 'close'), [0, null])
    t.equal(await said, '')
  })
}
