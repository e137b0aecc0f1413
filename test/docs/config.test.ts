import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pluginNames } from '#cni/plugins.ts'
import { registry } from '#dns/plugins/registry.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The rows of a page's tables, without their heads. */
const rowsOf = (page: string): readonly (readonly string[])[] =>
  [...read(page).matchAll(/\n\|[ :|-]+\|\n((?:\|.*\n)+)/g)].flatMap(([, rows = '']) =>
    rows
      .trim()
      .split('\n')
      .map(row =>
        row
          .slice(1, -1)
          .split('|')
          .map(cell => cell.trim()),
      ),
  )

t.test('docs/config/corefile.md has every plugin, in the order of the chain', async t => {
  const expected = registry.map(({ name, load, instead }) =>
    load === undefined
      ? [name, 'refused', instead?.replaceAll('’', "'")]
      : [`[${name}](../plugins/${name}.md)`, 'works'],
  )
  const told = rowsOf('docs/config/corefile.md').map(([plugin, state, note]) =>
    state === 'refused' ? [plugin, state, note?.replaceAll('’', "'")] : [plugin, state],
  )
  t.strictSame(told, expected)
})

t.test('docs/config/cni.md has every field of the page of each plugin', async t => {
  const expected = pluginNames.flatMap(name => {
    const fields = rowsOf(`docs/cni/${name}.md`).filter(([field]) => field?.startsWith('`'))
    const rows = fields.length > 0 ? fields : [['', 'has none']]
    return rows.map(([field, state]) => [`[${name}](../cni/${name}.md)`, field, state])
  })
  t.strictSame(rowsOf('docs/config/cni.md'), expected)
})

t.test('the page of each CNI plugin names the fields that the plugin reads', async t => {
  // Those of the protocol, and of results: they are the same for all.
  const common = new Set(['args', 'cni', 'runtimeConfig', 'ipam', 'hostIP', 'protocol'])
  let count = 0
  for (const name of pluginNames) {
    const page = read(`docs/cni/${name}.md`)
    for (const path of globSync(`src/cni/${name}/*.ts`, { cwd: root })) {
      for (const [, field = ''] of read(path).matchAll(/Field\(\w+, '(\w+)'/g)) {
        if (common.has(field)) continue
        count++
        t.match(page, new RegExp(`\`[^\`]*\\b${field}\\b`), `${name}: ${field}`)
      }
    }
  }
  t.ok(count > 40)
})
