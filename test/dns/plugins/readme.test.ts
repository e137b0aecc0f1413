import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import t from 'tap'
import type { Directive } from '#dns/corefile/parser.ts'
import { parseCorefile } from '#dns/corefile/parser.ts'
import { parseCache } from '#dns/plugins/cache/options.ts'
import { parseForward } from '#dns/plugins/forward/options.ts'
import { parseKubernetes } from '#dns/plugins/kubernetes/options.ts'

const folder = t.testdir({ 'resolv.conf': 'nameserver 192.0.2.53\n' })
const context = { zones: ['cluster.local.'], directory: folder }

const parsers: Readonly<Record<string, (directive: Directive) => unknown>> = {
  cache: directive => parseCache(directive, context.zones),
  forward: directive => parseForward([directive], folder),
  kubernetes: directive => parseKubernetes(directive, context),
}

for (const plugin of Object.keys(parsers)) {
  t.test(`every example in the README of ${plugin} can be used`, async t => {
    const path = resolve(import.meta.dirname, `../../../src/dns/plugins/${plugin}/README.md`)
    const [, examples = ''] = (await readFile(path, 'utf8')).split('## Examples')
    const texts = [...examples.matchAll(/```\n(.*?)```/gs)].map(([, text = '']) => text)
    t.not(texts.length, 0)
    for (const text of texts) {
      const system = { env: {}, read: () => '', glob: () => [] }
      const corefile = parseCorefile(text.replace('/etc/resolv', './resolv'), 'README.md', system)
      for (const directive of corefile.blocks.flatMap(({ directives }) => directives)) {
        await t.resolves(async () => parsers[directive.name]?.(directive), directive.name)
      }
    }
  })
}
