import { copyFileSync, linkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findOwnPluginBeside } from '#cni/own-plugin.ts'

t.test('ours are the same file, by link or copy, under the name of a plugin', async t => {
  const folder = t.testdir({
    bridge: 'the launcher',
    copies: {},
    others: { 'host-local': 'the longer launcher', loopback: 'THE launcher' },
  })
  const self = join(folder, 'bridge')
  linkSync(self, join(folder, 'host-local'))
  linkSync(self, join(folder, 'teapot'))
  copyFileSync(self, join(folder, 'copies/host-local'))
  symlinkSync(self, join(folder, 'copies/loopback'))
  const find = findOwnPluginBeside(self)
  for (const [path, type] of [
    ['host-local', 'host-local'],
    ['copies/host-local', 'host-local'],
    ['copies/loopback', 'loopback'],
  ] as const) {
    t.equal((await find(join(folder, path), type))?.name, type, path)
  }
  for (const [path, type] of [
    ['others/host-local', 'host-local'],
    ['others/loopback', 'loopback'],
    ['teapot', 'teapot'],
    ['missing', 'host-local'],
  ] as const) {
    t.equal(await find(join(folder, path), type), undefined, path)
  }
})
