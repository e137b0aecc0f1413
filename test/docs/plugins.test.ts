import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseCorefile } from '#dns/corefile/parser.ts'
import { parseExternal } from '#dns/plugins/k8s_external/options.ts'
import { parseKubernetes } from '#dns/plugins/kubernetes/options.ts'
import { registry } from '#dns/plugins/registry.ts'
import { planServers } from '#dns/server/plan.ts'
import { setupBlock, stopPlugins } from '#dns/server/setup.ts'
import { setupContext } from '../helper/dns.ts'

const folder = join(import.meta.dirname, '../../docs/plugins')
const system = { env: {}, read: () => '', glob: () => [] }
const registered = registry.flatMap(({ name, load }) => (load === undefined ? [] : [name]))

t.test('every plugin has a page, and every page is of a plugin', async t => {
  const pages = await readdir(folder)
  t.strictSame(new Set(pages), new Set(registered.map(name => `${name}.md`)))
})

for (const name of registered) {
  t.test(`the page of ${name} has its sections, and its examples are Corefiles`, async t => {
    const text = await readFile(join(folder, `${name}.md`), 'utf8')
    t.ok(text.startsWith(`# ${name}\n`))
    t.match(text, '\n## Syntax\n')
    const [, examples = ''] = text.split('\n## Examples\n')
    const corefiles = [...examples.matchAll(/```\w*\n(.*?)```/gs)].map(([, body]) => body ?? '')
    t.ok(corefiles.length > 0, 'there are examples')
    for (const corefile of corefiles) {
      const { blocks } = parseCorefile(corefile, `${name}.md`, system)
      t.strictSame(planServers(blocks, { defaultPort: 53, bindOf: () => [] }).problems, [])
      const used = blocks.flatMap(({ directives }) => directives.map(directive => directive.name))
      t.ok(used.includes(name), `${name} is used`)
      t.strictSame(
        used.filter(directive => !registered.includes(directive)),
        [],
      )
      // Setting kubernetes up waits for a cluster, so its options are only read.
      for (const { directives } of blocks) {
        // Setting tls up needs certificates, and k8s_external needs kubernetes.
        const withoutCluster = directives.filter(
          directive => !['kubernetes', 'k8s_external', 'tls'].includes(directive.name),
        )
        for (const directive of directives.filter(each => each.name === 'k8s_external')) {
          parseExternal(directive, ['.'])
        }
        for (const directive of directives.filter(each => each.name === 'kubernetes')) {
          parseKubernetes(directive, { zones: ['cluster.local.'], directory: folder })
        }
        await stopPlugins((await setupBlock(withoutCluster, setupContext())).plugins)
      }
    }
  })
}
