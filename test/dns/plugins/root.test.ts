import t from 'tap'
import { rootDirectory } from '../../../src/dns/plugins/root/plugin.ts'
import { setupBlock, stopPlugins } from '../../../src/dns/server/setup.ts'
import { directives, patience, queryFor, setupContext } from '../../helper/dns.ts'
import { replyAsText } from '../../helper/plugin.ts'

t.test('relative paths of the block start there', async t => {
  const directory = t.testdir({ zones: { hosts: '192.0.2.1 a.org' } })
  const block = await setupBlock(directives('hosts hosts\nroot zones'), setupContext({ directory }))
  t.teardown(() => stopPlugins(block.plugins))
  t.strictSame(replyAsText(await block.handler?.(queryFor('a.org.'), patience())), {
    rcode: 'NOERROR',
    answers: ['a.org. 3600 A 192.0.2.1'],
  })
})

t.test('where it leads', async t => {
  t.equal(rootDirectory(directives('root /srv'), '/etc'), '/srv')
  t.equal(rootDirectory(directives('root a/../zones'), '/etc'), '/etc/zones')
  t.equal(rootDirectory([], '/etc'), '/etc')
  t.throws(() => rootDirectory(directives('root a b'), '/etc'), /Corefile:2: root: takes one path/)
})
