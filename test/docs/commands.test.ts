import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checks } from '../../src/agent/doctor/checks.ts'
import { allCommands } from '../../src/cli/registry.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

t.test('docs/commands.md has all commands and no other', async t => {
  const named = [...read('docs/commands.md').matchAll(/^\| `nodeplane ([^`]+)` \|/gm)]
  t.strictSame(
    named.flatMap(([, name]) => name ?? []).toSorted(),
    allCommands()
      .filter(({ entry }) => entry.load !== undefined)
      .map(({ path }) => path.join(' '))
      .toSorted(),
  )
})

t.test('docs/doctor.md has the id of every finding', async t => {
  const page = read('docs/doctor.md')
  const sources = globSync('src/agent/doctor/checks/*.ts', { cwd: root }).map(read).join('\n')
  const ids = [
    ...sources.matchAll(/(?:fail|warn|say|\(isSure \? fail : warn\)|: warn\))\(\s*'([a-z0-9-]+)'/g),
  ].map(([, id]) => id)
  t.ok(ids.length >= 15)
  for (const id of ids) t.match(page, `\`${id}\``)
  for (const { id } of checks) t.match(page, new RegExp(`\`${id}`), id)
})
