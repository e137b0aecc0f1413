import { join } from 'node:path'
import t from 'tap'
import { fileSystem } from '../../../src/dns/corefile/files.ts'

t.test('patterns match names in one folder, sorted', async t => {
  const root = t.testdir({
    custom: { 'b.override': '', 'a.override': '', 'a.server': '', 'x(1).override': '' },
    other: { 'a.override': '' },
  })
  const { glob } = fileSystem({})
  const names = (pattern: string) =>
    glob(join(root, pattern)).map(path => path.slice(root.length + 1))
  t.strictSame(names('custom/*.override'), [
    'custom/a.override',
    'custom/b.override',
    'custom/x(1).override',
  ])
  t.strictSame(names('custom/?.override'), ['custom/a.override', 'custom/b.override'])
  t.strictSame(names('*/a.override'), ['custom/a.override', 'other/a.override'])
  t.strictSame(names('missing/*'), [])
})

t.test('a pattern with a folder that is literal behind it matches only what is there', async t => {
  const root = t.testdir({ a: { 'x.conf': '' }, b: {} })
  t.strictSame(fileSystem({}).glob(join(root, '*/x.conf')), [join(root, 'a/x.conf')])
})
