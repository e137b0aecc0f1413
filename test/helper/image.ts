import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { V1Container, V1PodSpec } from '@kubernetes/client-node'
import { type ExecResult, exec } from '#linux/exec.ts'

/** Folders of a node that a test does not share with the machine; what is below /run and /proc is the namespace's own. */
const SHARED = /^\/(run|proc)\//

export type ContainerOptions = {
  readonly container: V1Container
  readonly pod: V1PodSpec
  readonly env: Readonly<Record<string, string>>
  /** ConfigMaps' and the account's files: the folder for each mount path. */
  readonly files: Readonly<Record<string, string>>
}

/** The image as scripts/image leaves it, and containers of it as a kubelet would start them from a pod's spec. */
export class Image implements AsyncDisposable {
  readonly #folder: string
  readonly #cgroup = `nodeplane-image-${randomBytes(4).toString('hex')}`
  /** What is `/` for the node's other folders. */
  readonly nodeRoot: string
  readonly #started: string[] = []

  constructor(folder: string) {
    this.#folder = folder
    this.nodeRoot = join(folder, 'node')
    rmSync(this.nodeRoot, { recursive: true, force: true })
  }

  /** Starts a container of the pod in this network namespace. */
  async start({ container, pod, env, files }: ContainerOptions): Promise<void> {
    const { name, image = '', command = [], securityContext } = container
    const { add = [], drop = [] } = securityContext?.capabilities ?? {}
    const mounts = (container.volumeMounts ?? []).flatMap(mount => {
      const options = [mount.readOnly === true ? 'ro' : 'rw']
      if (mount.mountPropagation === 'HostToContainer') options.push('rslave')
      const source = files[mount.mountPath] ?? this.#hostPath(pod, mount.name)
      return ['-v', `${source}:${mount.mountPath}:${options.join(',')}`]
    })
    const account = '/var/run/secrets/kubernetes.io/serviceaccount'
    this.#started.push(name)
    const readOnly = ['--read-only', '--read-only-tmpfs=false']
    const optional = [
      pod.hostPID === true ? ['--pid', 'host'] : [],
      securityContext?.readOnlyRootFilesystem === true ? readOnly : [],
      securityContext?.allowPrivilegeEscalation === false
        ? ['--security-opt', 'no-new-privileges']
        : [],
      drop.map(each => `--cap-drop=${each}`),
      add.map(each => `--cap-add=${each}`),
      Object.entries(env).map(([key, value]) => `--env=${key}=${value}`),
      mounts,
    ].flat()
    const options = ['-d', '--replace', '--name', name, '--network', 'host']
    const place = ['--log-driver', 'k8s-file', '--cgroup-parent', this.#cgroup]
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024']
    const tokens = ['-v', `${files[account]}:${account}:ro`]
    const words = [options, place, limits, optional, tokens].flat()
    await this.#podman(['run', ...words, image, ...command])
  }

  async logs(name: string): Promise<string> {
    const { stdout, stderr } = await this.#podman(['logs', name])
    return stdout + stderr
  }

  async exec(name: string, ...words: readonly string[]): Promise<string> {
    return (await this.#podman(['exec', name, ...words])).stdout
  }

  /** The machine's process id of a container's first process. */
  async pidOf(name: string): Promise<number> {
    return Number((await this.#podman(['inspect', '--format', '{{.State.Pid}}', name])).stdout)
  }

  async stop(name: string): Promise<void> {
    await this.#podman(['stop', '-t', '20', name])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#started) await this.#podman(['rm', '-f', '-t', '0', name])
    // Podman leaves the parent of its containers' cgroups, and conmon's in it.
    const words = ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${this.#cgroup}*`]
    await exec('find', [...words, '-exec', 'rmdir', '{}', ';'])
  }

  #hostPath({ volumes = [] }: V1PodSpec, name: string): string {
    const path = volumes.find(volume => volume.name === name)?.hostPath?.path
    if (path === undefined) throw new Error(`no files for volume ${name}`)
    const source = SHARED.test(path) ? path : join(this.nodeRoot, path)
    if (!path.endsWith('.lock')) mkdirSync(source, { recursive: true })
    return source
  }

  #podman(words: readonly string[]): Promise<ExecResult> {
    const places = ['root', 'store', 'runroot', 'run', 'tmpdir', 'tmp']
    const folders = [0, 2, 4].flatMap(at => [
      `--${places[at]}`,
      join(this.#folder, places[at + 1] ?? ''),
    ])
    const drivers = ['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', 'runc']
    return exec('podman', [...folders, ...drivers, '--events-backend', 'none', ...words])
  }
}
