import t from 'tap'
import { type Query, reply } from '../../../src/dns/message.ts'
import type { BlockView } from '../../../src/dns/plugin.ts'
import { metadata } from '../../../src/dns/plugins/metadata/plugin.ts'
import { queryFor } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const zones = ['org.']
const blocks: readonly BlockView[] = [
  {
    zones,
    plugins: [
      {
        name: 'some',
        label: ({ question }, labels) => void labels.set('some/name', () => question.name),
      },
    ],
  },
]

t.test(
  'labels of the plugins of the block come with the query, for plugins behind and for log',
  async t => {
    const { ask } = await testedPlugin(metadata, 'metadata', { zones, blocks: () => blocks })
    const trace = { plugin: '' }
    const seen: Query[] = []
    await ask(queryFor('a.org.', 'A', { trace }), query => {
      seen.push(query)
      return reply()
    })
    t.equal(seen[0]?.trace?.metadata?.get('some/name')?.(), 'a.org.')
    t.equal(seen[0]?.trace, trace, 'log sees the same')
  },
)

t.test('only in its zones', async t => {
  const { ask } = await testedPlugin(metadata, 'metadata b.org', { zones, blocks: () => blocks })
  await ask(queryFor('a.org.'), query => {
    t.equal(query.trace, undefined)
    return reply()
  })
})

t.test('refuses what is no zone', t =>
  t.rejects(testedPlugin(metadata, 'metadata a..b'), { message: /is no zone/ }),
)
