import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseCorefile } from '../../../src/dns/corefile/parser.ts'
import { parseKubernetes } from '../../../src/dns/plugins/kubernetes/options.ts'
import { registry } from '../../../src/dns/plugins/registry.ts'
import { planServers } from '../../../src/dns/server/plan.ts'
import { setupBlock, stopPlugins } from '../../../src/dns/server/setup.ts'
import { setupContext } from '../../helper/dns.ts'

const folder = join(import.meta.dirname, '../../../src/dns/plugins')
const system = { env: {}, read: () => '', glob: () => [] }
const registered = registry.flatMap(({ name, load }) => (load === undefined ? [] : [name]))

t.test('every plugin has a folder, and every folder is a plugin', async t => {
  const entries = await readdir(folder, { withFileTypes: true })
  const folders = entries.filter(entry => entry.isDirectory()).map(({ name }) => name)
  t.strictSame(new Set(folders), new Set(registered))
})

for (const name of registered) {
  t.test(`the README of ${name} has its sections, and its examples are Corefiles`, async t => {
    const text = await readFile(join(folder, name, 'README.md'), 'utf8')
    t.ok(text.startsWith(`# ${name}\n`))
    t.match(text, '\n## Syntax\n')
    const [, examples = ''] = text.split('\n## Examples\n')
    const corefiles = [...examples.matchAll(/```\w*\n(.*?)```/gs)].map(([, body]) => body ?? '')
    t.ok(corefiles.length > 0, 'there are examples')
    for (const corefile of corefiles) {
      const { blocks } = parseCorefile(corefile, 'README.md', system)
      t.strictSame(planServers(blocks, { defaultPort: 53, bindOf: () => [] }).problems, [])
      const used = blocks.flatMap(({ directives }) => directives.map(directive => directive.name))
      t.ok(used.includes(name), `${name} is used`)
      t.strictSame(
        used.filter(directive => !registered.includes(directive)),
        [],
      )
      // Setting kubernetes up waits for a cluster, so its options are only read.
      for (const { directives } of blocks) {
        const withoutCluster = directives.filter(directive => directive.name !== 'kubernetes')
        for (const directive of directives.filter(each => !withoutCluster.includes(each))) {
          parseKubernetes(directive, { zones: ['cluster.local.'], directory: folder })
        }
        await stopPlugins((await setupBlock(withoutCluster, setupContext())).plugins)
      }
    }
  })
}
