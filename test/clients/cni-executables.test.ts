import { cp, link, mkdir, readdir, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { pluginNames } from '#cni/plugins.ts'
import { exec } from '#linux/exec.ts'
import { buildInto } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { runPlugin } from '../helper/cni-program.ts'

const folder = t.testdir()
const built = join(folder, 'dist')
t.before(() => buildInto(built))

const version = { CNI_COMMAND: 'VERSION' }

t.test(
  'there is an executable for every plugin, which needs nothing of its environment',
  async t => {
    t.strictSame(await readdir(join(built, 'cni')), pluginNames.toSorted())
    for (const name of pluginNames) {
      const program = join(built, 'cni', name)
      const { stdout, exitCode } = await runPlugin({ program, env: version, config: '' })
      t.equal(exitCode, 0)
      t.match(JSON.parse(stdout), { cniVersion: '1.1.0', supportedVersions: Array })
    }
  },
)

t.test('called by hand it says what it is', async t => {
  const program = join(built, 'cni/host-local')
  const answer = await runPlugin({ program, env: {}, config: '' })
  t.match(answer, { exitCode: 0, stdout: '', stderr: /^CNI host-local plugin v/ })
})

t.test('it works through a link, as a link, and as a copy in another folder', async t => {
  const bin = join(t.testdir(), 'bin')
  await mkdir(bin)
  const program = join(built, 'cni/host-local')
  await symlink(program, join(bin, 'host-local'))
  await link(program, join(bin, 'bridge'))
  await cp(program, join(bin, 'loopback'))
  for (const name of ['host-local', 'bridge', 'loopback']) {
    const { stdout } = await runPlugin({ program: join(bin, name), env: version, config: '' })
    t.match(JSON.parse(stdout), { cniVersion: '1.1.0' })
  }
})

t.test('a name that is no plugin is an error that says so', async t => {
  const program = join(t.testdir(), 'teapot')
  await symlink(join(built, 'cni/host-local'), program)
  const config = { cniVersion: '1.0.0', name: 'net1' }
  const { stdout, exitCode } = await runPlugin({ program, env: cniEnv(), config })
  t.match(JSON.parse(stdout), {
    cniVersion: '1.0.0',
    code: 7,
    msg: /no CNI plugin 'teapot'.*host-local/,
  })
  t.equal(exitCode, 1)
})

t.test('what the environment tells Node does not reach the plugin', async t => {
  const env = { ...version, NODE_OPTIONS: '--require=/nonexistent.js' }
  const { exitCode } = await runPlugin({ program: join(built, 'cni/host-local'), env, config: '' })
  t.equal(exitCode, 0)
})

t.test('dist works anywhere without node_modules, with a Node 26 in PATH', async t => {
  const moved = join(t.testdir(), 'elsewhere')
  await cp(built, moved, { recursive: true })
  // The place where it was built, and the Node of that time, are gone.
  await exec('sed', ['-i', "s|^built_.*=.*|gone='/nonexistent'|", join(moved, 'nodeplane')])
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` }
  const { stdout } = await exec(join(moved, 'nodeplane'), ['--version'], { env })
  t.match(stdout, /^nodeplane \d/)
  const ipam = { type: 'host-local', dataDir: t.testdirName, subnet: '10.0.0.0/24' }
  const config = { cniVersion: '1.0.0', name: 'net1', type: 'host-local', ipam }
  for (const [args, id] of [
    [['nodeplane', 'cni'], 'a'],
    [['cni/host-local'], 'b'],
  ] as const) {
    const [program, ...rest] = args
    const answer = await exec(join(moved, program), rest, {
      env: { ...cniEnv({ CNI_CONTAINERID: id }), ...env },
      input: JSON.stringify(config),
    })
    t.match(JSON.parse(answer.stdout), { ips: [{ gateway: '10.0.0.1' }] })
  }
})

t.test('without a C compiler the build says so, and its plugins work by Node alone', async t => {
  const folder = join(t.testdir(), 'dist')
  const build = join(import.meta.dirname, '../../scripts/build')
  const { stderr } = await exec(build, [folder], { env: { ...process.env, CC: '/nonexistent' } })
  t.match(stderr, /CNI executable cannot be compiled .*\/nonexistent/)
  const program = join(folder, 'cni/bridge')
  const { stdout } = await runPlugin({ program, env: version, config: '' })
  t.match(JSON.parse(stdout), { cniVersion: '1.1.0' })
})

t.test('a lone executable whose build is gone asks to be tried again later', async t => {
  const program = join(t.testdir(), 'host-local')
  await cp(join(built, 'cni/host-local'), program)
  await rename(join(built, 'nodeplane'), join(built, 'away'))
  const answer = await runPlugin({ program, env: version, config: '' })
  await rename(join(built, 'away'), join(built, 'nodeplane'))
  t.equal(answer.exitCode, 1)
  t.match(JSON.parse(answer.stdout), { code: 11, msg: /no nodeplane agent answers/ })
})

t.test('without a Node 26 it says so, a plugin in JSON', async t => {
  const moved = join(t.testdir(), 'elsewhere')
  await cp(built, moved, { recursive: true })
  const program = join(moved, 'cni/host-local')
  await exec('sed', [
    '-i',
    "s|^built_node=.*|built_node='/nonexistent'|; s|/usr[a-z/]*/node||g",
    join(moved, 'nodeplane'),
  ])
  const answer = await runPlugin({ program, env: { ...version, PATH: '/bin' }, config: '' })
  t.equal(answer.exitCode, 1)
  t.match(JSON.parse(answer.stdout), { code: 999, msg: /Node\.js 26/ })
})
