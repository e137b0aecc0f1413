import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type InstallOptions, install, uninstall } from '#cni/install/install.ts'
import { ConfigError } from '#runtime/error.ts'

/** A machine with a build, and the folders of a runtime. */
function machine(t: Test, files: object = {}) {
  const folder = t.testdir({
    from: { bridge: 'program', 'host-local': 'program', loopback: 'another' },
    bin: {},
    conf: {},
    ...files,
  })
  const said: string[] = []
  const [binDir, confDir] = [join(folder, 'bin'), join(folder, 'conf')]
  const run = (changes: Partial<InstallOptions> = {}) =>
    install({
      binDir,
      confDir,
      from: join(folder, 'from'),
      plugins: ['bridge', 'host-local', 'loopback'],
      conflist: { name: '10-nodeplane.conflist', text: 'list' },
      replace: false,
      untilReady: async () => {},
      say: line => said.push(line),
      ...changes,
    })
  const remove = () => uninstall({ confDir, say: line => said.push(line) })
  const look = () => ({ bin: readdirSync(binDir), conf: readdirSync(confDir) })
  return { folder, binDir, confDir, said, run, remove, look }
}

const installed = {
  bin: ['bridge', 'host-local', 'loopback'],
  conf: ['.nodeplane-cni-installed', '10-nodeplane.conflist'],
}

t.test('everything is written, executable, and removed again', async t => {
  const { binDir, confDir, run, remove, look } = machine(t)
  await run()
  t.strictSame(look(), installed)
  t.equal(readFileSync(join(binDir, 'bridge'), 'utf8'), 'program')
  t.equal(statSync(join(binDir, 'loopback')).mode & 0o777, 0o755)
  t.equal(
    statSync(join(binDir, 'bridge')).ino,
    statSync(join(binDir, 'host-local')).ino,
    'equal ones are one file',
  )
  t.equal(readFileSync(join(confDir, '10-nodeplane.conflist'), 'utf8'), 'list')
  remove()
  t.strictSame(look(), { bin: [], conf: [] })
  remove()
})

t.test('folders that are missing are made', async t => {
  const { folder, run } = machine(t)
  await run({ binDir: join(folder, 'opt/cni/bin'), confDir: join(folder, 'etc/cni/net.d') })
  t.strictSame(readdirSync(join(folder, 'opt/cni/bin')), installed.bin)
})

t.test('the configuration is last, and only when the node is ready', async t => {
  const { run, remove, look } = machine(t)
  const untilReady = async () => {
    t.strictSame(look(), { ...installed, conf: ['.nodeplane-cni-installed'] })
    throw new Error('not ready')
  }
  await t.rejects(run({ untilReady }), { message: 'not ready' })
  remove()
  t.strictSame(look(), { bin: [], conf: [] }, 'what a failed call wrote is known')
})

t.test('a second call upgrades: a running program keeps its file', async t => {
  const { folder, binDir, run, remove, look } = machine(t)
  await run()
  const before = statSync(join(binDir, 'bridge')).ino
  for (const name of installed.bin) writeFileSync(join(folder, 'from', name), 'newer')
  await run({ conflist: { name: '10-nodeplane.conflist', text: 'newer list' } })
  t.not(statSync(join(binDir, 'bridge')).ino, before)
  t.equal(readFileSync(join(binDir, 'loopback'), 'utf8'), 'newer')
  await run({ plugins: ['bridge'], conflist: { name: '05-x.conflist', text: 'list' } })
  t.strictSame(look(), { bin: ['bridge'], conf: ['.nodeplane-cni-installed', '05-x.conflist'] })
  remove()
  t.strictSame(look(), { bin: [], conf: [] })
})

t.test('files of others are not replaced unasked, and nothing is written then', async t => {
  const { run, remove, look, binDir } = machine(t, { bin: { bridge: 'theirs', dhcp: 'theirs' } })
  const error = await run().catch((reason: unknown) => reason)
  t.ok(error instanceof ConfigError)
  t.match(String(error), /bin\/bridge: is not ours; --replace/)
  t.strictSame(look(), { bin: ['bridge', 'dhcp'], conf: [] })
  await run({ replace: true })
  t.equal(readFileSync(join(binDir, 'bridge'), 'utf8'), 'program')
  remove()
  t.strictSame(look(), { bin: ['dhcp'], conf: [] })
})

t.test('what others have changed since stays, and is named', async t => {
  const { run, remove, look, binDir, said } = machine(t)
  await run()
  writeFileSync(join(binDir, 'loopback'), 'theirs now')
  remove()
  t.strictSame(look(), { bin: ['loopback'], conf: [] })
  t.match(said.join('\n'), /left .*loopback: somebody has changed it/)
})

t.test('a configuration of others that comes first is named', async t => {
  const { run, said } = machine(t, { conf: { '00-other.conf': '{}', '00-readme.txt': '' } })
  await run()
  t.match(said.join('\n'), /warning: .*00-other\.conf comes first/)
})

t.test('executables that were not built are named together', async t => {
  const { run, look } = machine(t)
  const error = await run({ plugins: ['bridge', 'x', 'y'] }).catch((reason: unknown) => reason)
  t.match(String(error), /from\/x: .*\n.*from\/y: /)
  t.strictSame(look(), { bin: [], conf: [] })
})

t.test('a damaged note of what was installed is an error, not an empty one', async t => {
  const { run, remove, confDir } = machine(t)
  mkdirSync(confDir, { recursive: true })
  writeFileSync(join(confDir, '.nodeplane-cni-installed'), '{"files":{"/bin/sh":1}}')
  await t.rejects(run(), /not known/)
  t.throws(remove, /not known/)
})
