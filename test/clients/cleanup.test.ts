import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ExecError, exec } from '#linux/exec.ts'
import { buildOr } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { CniAgent } from '../helper/cni-agent.ts'
import { runPlugin } from '../helper/cni-program.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

/*
 * A node with everything on it: an agent with all its parts, the plugins installed, a pod with a host port. What cleaning up
 * leaves is compared with what was there before, by the kernel's own tools.
 */

const folder = t.testdir({ manifests: {}, run: {}, state: {}, net: {}, opt: {} })
const dist = await buildOr(join(folder, 'dist'))
const places = ['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state')]
const confDir = join(folder, 'net')
const binDir = join(folder, 'opt')

const MANIFESTS = `apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [10.244.1.0/24, "fd00:244:1::/64"] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.1 }, { type: InternalIP, address: "fd00:50::1" }] }
---
apiVersion: v1
kind: Node
metadata: { name: node-b }
spec: { podCIDRs: [10.244.2.0/24, "fd00:244:2::/64"] }
status: { addresses: [{ type: InternalIP, address: 192.168.50.2 }, { type: InternalIP, address: "fd00:50::2" }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { type: NodePort, clusterIP: 10.96.0.20, clusterIPs: [10.96.0.20], ports: [{ port: 80, nodePort: 30080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-x, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: [10.244.1.9] }]
`

const COREFILE = `.:53 {
  kubernetes cluster.local
}
`

const config = {
  cluster: { manifests: join(folder, 'manifests') },
  proxy: {},
  dns: { corefile: join(folder, 'Corefile'), nodeLocal: { addresses: ['10.96.0.10'] } },
  cni: { stateDir: join(folder, 'run/pods'), journalDir: join(folder, 'state/cni') },
  routes: { mode: 'vxlan', mtuFile: join(folder, 'run/mtu') },
}

/** Without what passes by itself. */
const stable = (text: string) => text.replace(/ (valid_lft|preferred_lft) \S+| tentative/g, '')

const outputOf = async (program: string, ...args: readonly string[]) =>
  stable((await exec(program, args)).stdout)

/** All that a node has, by the tools of others. */
const snapshot = async () => ({
  nft: await outputOf('nft', '-s', 'list', 'ruleset'),
  iptables: (
    await Promise.all(
      ['iptables-save', 'ip6tables-save', 'iptables-legacy-save'].map(each => outputOf(each)),
    )
  ).map(text => text.match(/^(-A .*|:\S+ - )/gm)),
  links: (await outputOf('ip', '-brief', 'link')).split('\n').map(line => line.split(/[ @]/)[0]),
  addresses: await outputOf('ip', '-o', 'address'),
  routes: [await outputOf('ip', 'route'), await outputOf('ip', '-6', 'route')],
  rules: await outputOf('ip', 'rule'),
  files: ['run', 'state', 'net', 'opt'].map(each =>
    existsSync(join(folder, each)) ? readdirSync(join(folder, each)) : [],
  ),
})

async function nodeplane(...args: readonly string[]) {
  try {
    const { stdout } = await exec(join(dist, 'nodeplane'), args)
    return { exitCode: 0, stdout, stderr: '' }
  } catch (error) {
    if (error instanceof ExecError) return error
    throw error
  }
}

const cleanup = (...args: readonly string[]) =>
  nodeplane('cleanup', ...places, '--conf-dir', confDir, ...args)

/** Adds a pod by the installed network, as a container runtime does. */
async function addPod(namespace: TestNamespace): Promise<void> {
  const list = JSON.parse(readFileSync(join(confDir, '10-nodeplane.conflist'), 'utf8'))
  const env = cniEnv({ CNI_CONTAINERID: 'web', CNI_NETNS: namespace.path, CNI_PATH: binDir })
  let prevResult: object | undefined
  for (const plugin of list.plugins) {
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
    const config = {
      ...plugin,
      cniVersion: '1.0.0',
      name: list.name,
      ...(plugin.type === 'portmap'
        ? { backend: 'iptables', runtimeConfig: { portMappings } }
        : {}),
      ...(plugin.type === 'bridge'
        ? { ipam: { ...plugin.ipam, dataDir: join(folder, 'run/networks') } }
        : {}),
      ...(prevResult === undefined ? {} : { prevResult }),
    }
    const { exitCode, stdout } = await runPlugin({
      program: join(binDir, plugin.type),
      env,
      config,
    })
    if (exitCode !== 0) throw new Error(stdout)
    prevResult = JSON.parse(stdout)
  }
}

/** Has iptables make its own tables, which nobody removes. */
async function useIptables(): Promise<void> {
  for (const program of ['iptables', 'ip6tables']) {
    for (const chain of ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING']) {
      const words = [chain, '-j', 'ACCEPT']
      await exec(program, ['-t', 'nat', '-A', ...words])
      await exec(program, ['-t', 'nat', '-D', ...words])
    }
  }
}

t.before(async () => {
  await mkdir(join(folder, 'manifests'), { recursive: true })
  await writeFile(join(folder, 'manifests/all.yaml'), MANIFESTS)
  await writeFile(join(folder, 'Corefile'), COREFILE)
})

t.test('a node with everything on it', async t => {
  await using other = await TestNamespace.create('other')
  await exec('ip', [
    'link',
    'add',
    'eth0',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    other.name,
  ])
  for (const address of ['192.168.50.1/24', 'fd00:50::1/64']) {
    const nodad = address.includes(':') ? ['nodad'] : []
    await exec('ip', ['address', 'add', address, 'dev', 'eth0', ...nodad])
  }
  await exec('ip', ['link', 'set', 'eth0', 'up'])
  await other.ip('link set eth0 up')
  await exec('ip', ['route', 'add', 'default', 'via', '192.168.50.2'])
  await useIptables()
  const before = await snapshot()
  await using pod = await TestNamespace.create('pod')
  const agent = await CniAgent.start(dist, folder, config)
  t.teardown(() => agent[Symbol.asyncDispose]())
  const folders = ['--bin-dir', binDir, '--conf-dir', confDir]
  const source = ['--node', 'node-a', '--manifests', join(folder, 'manifests')]
  const installed = await nodeplane('cni', 'install', ...source, ...folders)
  t.equal(installed.exitCode, 0, installed.stderr)
  await addPod(pod)
  await eventually('rules of all parts', async () => {
    const { stdout } = await exec('nft', ['list', 'tables'])
    return ['nodeplane', 'nodeplane_routes', 'nodeplane-dns-addresses'].every(each =>
      stdout.includes(`table ip ${each}\n`),
    )
  })

  await t.test('is left alone while its agent runs', async t => {
    const { exitCode, stderr } = await cleanup()
    t.equal(exitCode, 1)
    t.match(stderr, /an agent runs here .* stop it first/)
  })

  await agent.kill('SIGKILL')

  await t.test('--dry-run tells what would go, and changes nothing', async t => {
    const now = await snapshot()
    const { exitCode, stdout } = await cleanup('--dry-run', '--pods')
    t.equal(exitCode, 0)
    for (const what of [
      'table ip nodeplane',
      'table ip6 nodeplane_routes',
      'table ip nodeplane-dns-addresses',
      'chain CNI-HOSTPORT-DNAT of iptables (nft) nat',
      'route 10.244.2.0/24',
      'link nodeplane-vx4',
      'attachment nodeplane web eth0',
      'bridge cni0',
      join(confDir, '10-nodeplane.conflist'),
      join(binDir, 'bridge'),
    ]) {
      t.ok(stdout.includes(`would remove ${what}\n`), what)
    }
    t.strictSame(await snapshot(), now)
  })

  await t.test('keeps its pod network while pods are attached, and says so', async t => {
    await exec('nft', ['add', 'table', 'ip', 'kube-proxy'])
    const { exitCode, stdout } = await cleanup('--keep-kube-proxy')
    t.equal(exitCode, 1)
    t.match(stdout, /^removed table ip nodeplane$/m)
    t.match((await exec('nft', ['list', 'tables'])).stdout, /^table ip kube-proxy$/m)
    t.match(stdout, /^kept attachment nodeplane web eth0$/m)
    t.match(stdout, /while pods are attached \(1\): drain the node, or give --pods$/m)
    t.match(await pod.ip('-brief address show eth0'), /10\.244\.1\./)
    t.ok(existsSync(join(binDir, 'bridge')), 'the runtime can still end the pod')
    const { nft, links } = await snapshot()
    t.notMatch(nft, /table ip6? nodeplane[ _]/)
    t.notOk(links.includes('nodeplane-vx4'))
    t.ok(links.includes('cni0'))
  })

  await t.test('is as before when the pods go too', async t => {
    const { exitCode, stdout } = await cleanup('--pods')
    t.equal(exitCode, 0, stdout)
    t.strictSame(await snapshot(), before)
  })

  await t.test('finds nothing the second time', async t => {
    t.match(await cleanup(), { exitCode: 0, stdout: 'nothing of nodeplane is here\n' })
  })
})
