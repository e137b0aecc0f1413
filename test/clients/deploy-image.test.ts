import { existsSync } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { TestApiServer } from '../helper/api-server.ts'
import { TestAuthority } from '../helper/certificates.ts'
import { cniEnv } from '../helper/cni.ts'
import { runPlugin } from '../helper/cni-program.ts'
import { daemonSetOf, fileOf, rendered } from '../helper/deploy.ts'
import { dig } from '../helper/dig.ts'
import { eventually } from '../helper/eventually.ts'
import { Image } from '../helper/image.ts'
import { TestNamespace } from '../helper/namespace.ts'
import { serve } from '../helper/traffic.ts'

/*
 * The overlay `all`, as it is rendered, on a node: its image, its container with the capabilities, mounts and files of the
 * DaemonSet, an API server with certificate and token. Pods are added through the executables and the network list that the
 * agent has put where a runtime looks for them.
 */

const MAX_BYTES = 90_000_000
const HOST = '192.168.50.1'
const TOKEN = 'node-token'

/** Where scripts/image has left it; building needs Debian's packages, which this namespace cannot reach. */
const folder = process.env['NODEPLANE_IMAGE']
if (folder === undefined)
  t.plan(0, 'NODEPLANE_IMAGE names no folder of scripts/image; scripts/test makes one')
else await testImage(folder)

async function testImage(folder: string): Promise<void> {
  const image = new Image(folder)
  t.teardown(() => image[Symbol.asyncDispose]())

  const objects = await rendered('overlays/all')
  const pod = daemonSetOf(objects).spec?.template.spec
  const [agent] = pod?.containers ?? []
  if (pod === undefined || agent === undefined) throw new Error('no pod')

  // Another test of this namespace may have had a bridge of this name; a node that begins has none.
  await exec('ip', ['link', 'delete', 'cni0']).catch(() => {})
  const other = await TestNamespace.create('other')
  t.teardown(() => other[Symbol.asyncDispose]())
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
  await exec('ip', ['address', 'add', `${HOST}/24`, 'dev', 'eth0'])
  await exec('ip', ['link', 'set', 'eth0', 'up'])
  await other.ip('link set eth0 up')
  await exec('ip', ['route', 'add', 'default', 'via', '192.168.50.2'])

  const authority = await TestAuthority.create()
  t.teardown(() => authority[Symbol.asyncDispose]())
  const tls = await authority.issue('kubernetes', `IP:${HOST}`)
  const api = await TestApiServer.start({ host: HOST, token: TOKEN, tls })
  t.teardown(() => api[Symbol.asyncDispose]())
  api.set('Node', {
    metadata: { name: 'node-a' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: HOST }] },
  })
  for (const name of ['shop', 'kube-system']) api.set('Namespace', { metadata: { name } })
  setService('kube-dns', 'kube-system', '10.96.0.10')
  setService('web', 'shop', '10.96.0.20')

  function setService(name: string, namespace: string, clusterIP: string): void {
    const port = name === 'web' ? { port: 80, protocol: 'TCP' } : { port: 53, protocol: 'UDP' }
    const spec = {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ports: [port],
    }
    api.set('Service', { metadata: { name, namespace }, spec })
  }

  async function makeFolder(
    name: string,
    files: Readonly<Record<string, string>>,
  ): Promise<string> {
    const path = join(folder, 'files', name)
    await mkdir(path, { recursive: true })
    for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text)
    return path
  }

  const filesAt = async (mountPath: string, ...names: readonly string[]) => {
    const files = Object.fromEntries(names.map(name => [name, fileOf(objects, name)]))
    return { [mountPath]: await makeFolder(mountPath.split('/').at(-1) ?? '', files) }
  }
  const files = {
    ...(await filesAt('/etc/nodeplane/agent', 'agent.yaml')),
    ...(await filesAt('/etc/nodeplane/proxy', 'kube-proxy.yaml')),
    ...(await filesAt('/etc/nodeplane/dns', 'Corefile')),
    ...(await filesAt('/etc/nodeplane/cni', 'nodeplane.conflist')),
    '/var/run/secrets/kubernetes.io/serviceaccount': await makeFolder('account', {
      token: TOKEN,
      'ca.crt': authority.ca.cert,
    }),
  }
  const env = {
    NODE_NAME: 'node-a',
    HOST_IP: HOST,
    // Of the ConfigMap nodeplane-api-server.
    KUBERNETES_SERVICE_HOST: HOST,
    KUBERNETES_SERVICE_PORT: String(api.port),
  }
  await writeFile('/run/xtables.lock', '')

  const get = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:9154${path}`)
    return `${answer.status} ${(await answer.text()).trim()}`
  }
  const installed = (path: string) => join(image.nodeRoot, path)
  const conflist = installed('/etc/cni/net.d/10-nodeplane.conflist')

  await t.test('the image is at most 90 MB, compressed', async t => {
    const { size } = await stat(join(folder, 'nodeplane.tar.gz'))
    t.comment(`${(size / 1e6).toFixed(1)} MB`)
    t.ok(size <= MAX_BYTES)
  })

  await t.test('the DaemonSet’s containers make the node ready', async t => {
    await image.start({ container: agent, pod, env, files })
    try {
      await eventually('the agent to live', async () => (await get('/livez')) === '200 ok')
      await eventually('the node to be ready', async () =>
        (await get('/readyz')).startsWith('200 '),
      )
      await eventually('the network list', () => existsSync(conflist))
    } catch (error) {
      t.comment(await image.logs(agent.name))
      t.comment(await get('/readyz').catch(String))
      throw error
    }
    t.ok(existsSync(installed('/opt/cni/bin/bridge')), 'executables')
    t.match(await readFile(conflist, 'utf8'), /"subnet": "10\.244\.1\.0\/24"/)
  })

  const addPod = async (name: string): Promise<{ namespace: TestNamespace; ip: string }> => {
    const namespace = await TestNamespace.create(name)
    t.teardown(() => namespace[Symbol.asyncDispose]())
    const list = JSON.parse(await readFile(conflist, 'utf8'))
    const ids = { CNI_CONTAINERID: name, CNI_NETNS: namespace.path, CNI_PATH: '/opt/cni/bin' }
    const config = { ...list.plugins[0], cniVersion: '1.0.0', name: list.name }
    const program = installed('/opt/cni/bin/bridge')
    const { exitCode, stdout, stderr } = await runPlugin({ program, env: cniEnv(ids), config })
    if (exitCode !== 0) throw new Error(stdout + stderr + (await image.logs(agent.name)))
    return { namespace, ip: JSON.parse(stdout).ips[0].address.split('/')[0] }
  }

  await t.test('pods get network, Services and names from it', async t => {
    const [web, client] = [await addPod('web'), await addPod('client')]
    await serve(web.namespace, 'web', [8080])
    api.set('EndpointSlice', {
      metadata: {
        name: 'web-x',
        namespace: 'shop',
        labels: { 'kubernetes.io/service-name': 'web' },
      },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: [web.ip], conditions: { ready: true } }],
    })
    const curl = await eventually('an answer through the ClusterIP', async () => {
      return (
        await client.namespace.exec('curl', ['-sS', '--http0.9', '-m', '2', 'http://10.96.0.20/'])
      ).stdout
    })
    t.match(curl, 'web')
    const run: typeof client.namespace.exec = (...call) => client.namespace.exec(...call)
    const { answers } = await dig('@10.96.0.10 web.shop.svc.cluster.local', run)
    t.match(answers[0], /10\.96\.0\.20$/)
    const forwarding = await exec('sysctl', ['-n', 'net.ipv4.ip_forward'])
    t.equal(
      forwarding.stdout.trim(),
      '1',
      'set through the mount: the container’s /proc/sys is read-only',
    )
  })

  await t.test('it cannot write to its own image, and has no more than it says', async t => {
    await t.rejects(
      image.exec(agent.name, 'touch', '/usr/lib/nodeplane/x'),
      /Read-only file system/,
    )
    const status = await readFile(`/proc/${await image.pidOf(agent.name)}/status`, 'utf8')
    const effective = BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(status)?.[1]}`)
    const bits = { NET_BIND_SERVICE: 10n, NET_ADMIN: 12n, NET_RAW: 13n, SYS_ADMIN: 21n }
    const wanted = (agent.securityContext?.capabilities?.add ??
      []) as readonly (keyof typeof bits)[]
    t.equal(
      effective,
      wanted.reduce((sum, name) => sum | (1n << bits[name]), 0n),
    )
    const resident = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) / 1024
    t.comment(`resident: ${resident.toFixed(0)} MiB`)
    t.match(status, /^NoNewPrivs:\s*1$/m)
  })

  await t.test('SIGTERM ends it cleanly and leaves the rules', async t => {
    await image.stop(agent.name)
    t.match(await image.logs(agent.name), /"msg":"stopped"/)
    t.match((await exec('nft', ['list', 'tables'])).stdout, /table ip nodeplane\n/)
  })
}
