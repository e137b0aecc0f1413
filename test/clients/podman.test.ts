import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { exec, isProgramMissing } from '#linux/exec.ts'
import { eventually } from '../helper/eventually.ts'

/*
 * A real container runtime calls the plugins as they are shipped: Podman with its CNI back end, on a network made by
 * nothing but ours.
 */

const root = join(import.meta.dirname, '../..')
const plugins = join(root, 'dist/cni')

const network = {
  cniVersion: '1.0.0',
  name: 'nodeplane-pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni-podman',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      capabilities: { ips: true, mac: true },
      ipam: {
        type: 'host-local',
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        ranges: [[{ subnet: '10.88.7.0/24' }], [{ subnet: 'fd00:88:7::/64' }]],
        dataDir: '',
      },
    },
  ],
}

const settings = (folder: string) => `
[network]
network_backend = "cni"
cni_plugin_dirs = ["${plugins}"]
network_config_dir = "${folder}/net.d"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
`

/** A machine with Podman on it: its own folders, and a root file system for containers. */
class Podman implements AsyncDisposable {
  readonly folder: string
  readonly #cgroup = `nodeplane-test-${randomBytes(4).toString('hex')}`
  readonly #started = new Set<string>()

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Podman> {
    const podman = new Podman(await mkdtemp(join(tmpdir(), 'nodeplane-podman-')))
    const { folder } = podman
    for (const path of [
      'net.d',
      'rootfs/bin',
      'rootfs/www',
      'rootfs/etc',
      'rootfs/proc',
      'rootfs/sys',
      'rootfs/dev',
      'rootfs/tmp',
      'rootfs/run',
    ]) {
      await mkdir(join(folder, path), { recursive: true })
    }
    await copyFile('/bin/busybox', join(folder, 'rootfs/bin/busybox'))
    await chmod(join(folder, 'rootfs/bin/busybox'), 0o755)
    for (const name of ['sh', 'httpd', 'wget'])
      await symlink('busybox', join(folder, 'rootfs/bin', name))
    await writeFile(join(folder, 'rootfs/www/index.html'), 'hello from a container')
    const configured = structuredClone(network)
    for (const { ipam } of configured.plugins) ipam.dataDir = join(folder, 'leases')
    await writeFile(join(folder, 'net.d/pods.conflist'), JSON.stringify(configured))
    await writeFile(join(folder, 'containers.conf'), settings(folder))
    return podman
  }

  async run(...words: readonly string[]): Promise<string> {
    const { folder } = this
    const places = [
      '--root',
      `${folder}/graph`,
      '--runroot',
      `${folder}/run`,
      '--tmpdir',
      `${folder}/tmp`,
    ]
    const { stdout } = await exec('podman', [...places, '--storage-driver', 'vfs', ...words], {
      env: { ...process.env, CONTAINERS_CONF: join(folder, 'containers.conf') },
    })
    return stdout.trim()
  }

  /** Starts a web server in a container. */
  async start(name: string): Promise<void> {
    this.#started.add(name)
    const limits = [
      '--ulimit',
      'nofile=1024:1024',
      '--ulimit',
      'nproc=1024:1024',
      '--cgroup-parent',
      this.#cgroup,
    ]
    const server = ['/bin/httpd', '-f', '-p', '80', '-h', '/www']
    await this.run(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      network.name,
      ...limits,
      '--rootfs',
      `${this.folder}/rootfs`,
      ...server,
    )
  }

  async stop(name: string): Promise<void> {
    await this.run('rm', '-f', '-t', '0', name)
    this.#started.delete(name)
  }

  /** The container's addresses as Podman knows them. */
  async addresses(name: string): Promise<readonly string[]> {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}'
    return (await this.run('inspect', '--format', format, name)).split(' ')
  }

  async leases(): Promise<readonly string[]> {
    const names = await readdir(join(this.folder, 'leases', network.name))
    return names.filter(name => /^[0-9a-f]*[.:][0-9a-f.:]+$/.test(name)).toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#started) await this.stop(name)
    await rm(this.folder, { recursive: true, force: true })
    // Podman leaves the parent of its containers' cgroups, and conmon's in it.
    const words = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${this.#cgroup}*`]
    await exec('find', [...words, '-exec', 'rmdir', '{}', ';'])
  }
}

const isInstalled = async (program: string): Promise<boolean> => {
  try {
    await exec(program, ['--version'])
    return true
  } catch (error) {
    if (isProgramMissing(error)) return false
    throw error
  }
}

const ports = async (): Promise<readonly string[]> => {
  const { stdout } = await exec('ip', ['-j', 'link', 'show', 'master', 'cni-podman'])
  return (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname)
}

const page = (address: string) =>
  eventually(`the web server at ${address}`, async () => (await fetch(`http://${address}/`)).text())

const skip = (await isInstalled('podman'))
  ? false
  : 'podman is not installed (scripts/test installs it)'

t.test('Podman containers on a network of our plugins', { skip }, async t => {
  if (!existsSync(join(plugins, 'bridge')))
    await exec(join(root, 'scripts/build'), [], { timeoutMs: 120_000 })
  await using podman = await Podman.create()
  await podman.start('a')
  await podman.start('b')

  t.same(await podman.addresses('a'), ['10.88.7.2', 'fd00:88:7::2'])
  t.same(await podman.addresses('b'), ['10.88.7.3', 'fd00:88:7::3'])
  t.same(await podman.leases(), ['10.88.7.2', '10.88.7.3', 'fd00:88:7::2', 'fd00:88:7::3'])

  for (const address of ['10.88.7.2', '[fd00:88:7::3]']) {
    t.equal(await page(address), 'hello from a container', `the node reaches ${address}`)
  }
  for (const address of ['10.88.7.3', '[fd00:88:7::3]']) {
    const url = `http://${address}/`
    t.equal(
      await podman.run('exec', 'a', '/bin/wget', '-q', '-O', '-', url),
      'hello from a container',
      `a reaches ${address}`,
    )
  }

  await podman.stop('a')
  t.equal((await ports()).length, 1)
  t.same(await podman.leases(), ['10.88.7.3', 'fd00:88:7::3'])
  t.equal(await page('10.88.7.3'), 'hello from a container', 'b goes on')
  await podman.stop('b')
  t.same(await ports(), [])
  t.same(await podman.leases(), [])
  t.notMatch((await exec('nft', ['list', 'ruleset'])).stdout, /10\.88\.7\.[23] /)
})
