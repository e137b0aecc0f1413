import { randomBytes } from 'node:crypto'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec, isProgramMissing } from '#linux/exec.ts'

/** A network of Podman: a list of plugins whose bridge has host-local for its addresses. */
export type PodmanNetwork = {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly Readonly<Record<string, unknown>>[]
}

/** Is Podman there? Gives the reason to skip, or false. */
export async function whyNoPodman(): Promise<string | false> {
  return (await isInstalled('podman'))
    ? false
    : 'podman is not installed (scripts/test installs it)'
}

const settings = (dist: string, folder: string) => `
[network]
network_backend = "cni"
cni_plugin_dirs = ["${dist}/cni"]
network_config_dir = "${folder}/net.d"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
`

/** A machine with Podman on it: its own folders, and a root file system for containers. */
export class Podman implements AsyncDisposable {
  readonly folder: string
  readonly #cgroup = `nodeplane-test-${randomBytes(4).toString('hex')}`
  readonly #started = new Set<string>()

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @param dist a build, whose plugins Podman calls */
  static async create(dist: string, networks: readonly PodmanNetwork[]): Promise<Podman> {
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
    for (const name of ['sh', 'httpd', 'wget', 'cat', 'nslookup', 'ip'])
      await symlink('busybox', join(folder, 'rootfs/bin', name))
    await writeFile(join(folder, 'rootfs/www/index.html'), 'hello from a container')
    for (const network of networks) {
      const configured = {
        ...network,
        plugins: network.plugins.map(plugin => {
          const ipam = plugin['ipam'] as object | undefined
          return ipam === undefined
            ? plugin
            : { ...plugin, ipam: { ...ipam, dataDir: join(folder, 'leases') } }
        }),
      }
      const file = join(folder, 'net.d', `${network.name}.conflist`)
      await writeFile(file, JSON.stringify(configured))
    }
    await writeFile(join(folder, 'containers.conf'), settings(dist, folder))
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
      // Copying a root file system may wait for a busy disk.
      timeoutMs: 120_000,
      env: { ...process.env, CONTAINERS_CONF: join(folder, 'containers.conf') },
    })
    return stdout.trim()
  }

  /** Starts a web server in a container. */
  async start(name: string, network: string, ...options: readonly string[]): Promise<void> {
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
      network,
      ...limits,
      ...options,
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

  async leases(network: string): Promise<readonly string[]> {
    const names = await readdir(join(this.folder, 'leases', network))
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

async function isInstalled(program: string): Promise<boolean> {
  try {
    await exec(program, ['--version'])
    return true
  } catch (error) {
    if (isProgramMissing(error)) return false
    throw error
  }
}
