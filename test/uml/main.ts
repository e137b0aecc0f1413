// All tests that need user-mode Linux, in one process: to start one takes 15 s there. scripts/in-uml.sh runs it.
import { globSync } from 'node:fs'
import t from 'tap'

t.setTimeout(1_180_000)
for (const file of globSync('*.test.ts', { cwd: import.meta.dirname }).sort()) {
  await import(`./${file}`)
}
