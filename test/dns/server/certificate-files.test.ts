import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { certificateFiles, hashFiles } from '#dns/server/certificate-files.ts'
import { directives } from '../../helper/dns.ts'

const filesOf = (...blocks: readonly string[]) =>
  certificateFiles(
    blocks.map(text => ({ directives: directives(text) })),
    '/etc/coredns',
  )

t.test('the files of certificates that blocks name', async t => {
  for (const [title, blocks, want] of [
    ['none', ['whoami', 'forward . 192.0.2.1'], []],
    ['from the folder of the Corefile', ['tls a.crt a.key'], ['a.crt', 'a.key']],
    ['from the root of the block', ['root keys\ntls a.crt a.key'], ['keys/a.crt', 'keys/a.key']],
    ['those of forward', ['forward . tls://192.0.2.1 {\ntls ca.crt\n}'], ['ca.crt']],
    ['each once', ['tls a b ca', 'tls a b'], ['a', 'b', 'ca']],
    ['not of kubernetes', ['kubernetes {\nendpoint https://a\ntls a b c\n}'], []],
    ['a wrong root', ['root a b\ntls a b'], ['a', 'b']],
  ] as const) {
    t.strictSame(
      filesOf(...blocks),
      want.map(file => `/etc/coredns/${file}`),
      title,
    )
  }
})

t.test('the hash is another when a file is, goes or comes', async t => {
  const folder = t.testdir({ a: '1', b: '2' })
  const paths = ['a', 'b'].map(name => join(folder, name))
  const first = await hashFiles(paths)
  t.equal(await hashFiles(paths), first)
  await writeFile(paths[0] ?? '', '12')
  await writeFile(paths[1] ?? '', '')
  const moved = await hashFiles(paths)
  t.not(moved, first)
  await rm(paths[1] ?? '')
  t.not(await hashFiles(paths), moved)
})
