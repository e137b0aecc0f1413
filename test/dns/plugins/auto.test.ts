import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { reply } from '../../../src/dns/message.ts'
import { auto } from '../../../src/dns/plugins/auto/plugin.ts'
import { queryFor } from '../../helper/dns.ts'
import { eventually } from '../../helper/eventually.ts'
import { testedPlugin } from '../../helper/plugin.ts'

const zone = '$TTL 5\n@ SOA ns h 1 2 3 4 5\nwww A 192.0.2.1\n'
const passedOn = reply({ rcode: 'NOTIMP' })

t.test('every file of the folder is a zone, and zones come and go with their files', async t => {
  const folder = t.testdir({
    'db.a.org': zone,
    'readme.txt': 'x',
    'db.other.net': zone,
    'db.bad.org': 'x',
  })
  const { ask, plugin } = await testedPlugin(
    auto,
    `auto org {\ndirectory ${folder}\nreload 10ms\n}`,
  )
  t.teardown(() => plugin.stop?.())
  await plugin.start?.()
  const rcode = async (name: string) => (await ask(queryFor(name), () => passedOn))?.rcode
  t.equal(await rcode('www.a.org.'), 'NOERROR')
  t.equal(await rcode('nope.a.org.'), 'NXDOMAIN')
  t.equal(await rcode('www.other.net.'), 'NOTIMP', 'outside of its zones')
  t.equal(await rcode('www.bad.org.'), 'NOTIMP', 'a file that cannot be read')
  t.strictSame(plugin.transfers?.zones(), ['a.org.'])
  await mkdir(join(folder, 'sub'))
  await writeFile(join(folder, 'new'), zone)
  await rename(join(folder, 'new'), join(folder, 'sub/db.b.org'))
  await eventually('the new zone', async () => (await rcode('www.b.org.')) === 'NOERROR')
  await rm(join(folder, 'db.a.org'))
  await eventually('the end of the zone', async () => (await rcode('www.a.org.')) === 'NOTIMP')
})

t.test('a pattern of its own', async t => {
  const directory = t.testdir({ zones: { 'a.org.zone': zone } })
  const { ask } = await testedPlugin(auto, 'auto {\ndirectory zones (.*)\\.zone$ {1}\n}', {
    directory,
  })
  t.match(await ask(queryFor('www.a.org.')), { rcode: 'NOERROR', authoritative: true })
})

const refused: readonly [string, RegExp][] = [
  ['auto', /needs a line: directory DIR/],
  ['auto {\ndirectory d (.*)\n}', /needs a folder, and may have a pattern and an origin/],
  ['auto {\ndirectory d (a+)+ {1}\n}', /Corefile:3: auto directory: pattern/],
  ['auto {\ndirectory d\nreload x\n}', /auto reload: needs one duration/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, t =>
    t.rejects(testedPlugin(auto, text), { message }),
  )
}
