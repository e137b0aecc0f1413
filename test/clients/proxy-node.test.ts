// What the own Node and the machine decide: families, detectors, the process itself.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

const node = await TestNamespace.create('node')
t.teardown(() => node[Symbol.asyncDispose]())
const directory = t.testdir({})

const nodeWith = (podCIDRs: string) => `
apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [${podCIDRs}] }
status: { addresses: [{ type: InternalIP, address: 192.0.2.1 }] }
`
const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.20
  clusterIPs: [10.96.0.20, "fd00:96::20"]
  ipFamilies: [IPv4, IPv6]
  ports: [{ port: 80 }]
`
const CONFIG = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: node-a
`

type Started = {
  readonly child: ChildProcess
  readonly stderr: Promise<string>
  /** Writes the Node anew, in one step: half a manifest would be another one. */
  setNode(podCIDRs: string): Promise<void>
}

let count = 0
/** Starts a proxy with a directory of its own. */
async function start(config: string, podCIDRs = ''): Promise<Started> {
  const own = `${directory}/${count++}`
  await mkdir(`${own}/manifests`, { recursive: true })
  const setNode = async (podCIDRs: string) => {
    await writeFile(`${own}/node.new`, nodeWith(podCIDRs))
    await rename(`${own}/node.new`, `${own}/manifests/node.yaml`)
  }
  await setNode(podCIDRs)
  await writeFile(`${own}/manifests/service.yaml`, SERVICE)
  await writeFile(`${own}/config.yaml`, CONFIG + config)
  const args = [MAIN, 'proxy', '--config', `${own}/config.yaml`, '--manifests', `${own}/manifests`]
  const child = node.spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] })
  return { child, setNode, stderr: text(child.stderr as NonNullable<ChildProcess['stderr']>) }
}

async function exitCode({ child }: Started): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  return ((await once(child, 'exit')) as [number | null])[0]
}

async function stop(proxy: Started): Promise<number | null> {
  const code = exitCode(proxy)
  proxy.child.kill('SIGTERM')
  return code
}

type Health = { readonly status: object; readonly healthy: boolean }
/** What the health server says, once it does. */
const health = () =>
  eventually('the health server', async () => {
    const { stdout } = await node.exec('curl', ['-sS', 'http://127.0.0.1:10256/healthz'])
    return JSON.parse(stdout) as Health
  })
const listed = async (...args: readonly string[]) =>
  (await node.exec('nft', ['list', ...args])).stdout

t.test('both families are served where the kernel has them', async t => {
  const proxy = await start('')
  t.strictSame(Object.keys((await health()).status), ['IPv4', 'IPv6'])
  const both = 'table ip nodeplane\ntable ip6 nodeplane\n'
  await eventually('both tables', async () => (await listed('tables')) === both)
  t.equal(await stop(proxy), 0)
  await node.exec('nft', ['flush ruleset'])
})

t.test('detector NodeCIDR: the rules are those of the podCIDRs, and end with them', async t => {
  const proxy = await start('detectLocalMode: NodeCIDR\n', '10.244.7.0/24, "fd00:244:7::/64"')
  const isKnown = async (family: string, prefix: string) =>
    (await listed('chain', family, 'nodeplane', 'masquerade-cluster-ip')).includes(prefix)
  await eventually('the rules', () => isKnown('ip', '10.244.7.0/24'))
  await eventually('the rules', () => isKnown('ip6', 'fd00:244:7::/64'))
  await proxy.setNode('10.244.8.0/24')
  t.equal(await exitCode(proxy), 1)
  t.match(
    await proxy.stderr,
    /^nodeplane: .*podCIDRs changed from 10\.244\.7\.0\/24,fd00:244:7::\/64 to 10\.244\.8\.0\/24/m,
  )
  t.ok(await isKnown('ip', '10.244.7.0/24'), 'the rules stay')
})

t.test('other detectors do not end with the podCIDRs', async t => {
  const proxy = await start('clusterCIDR: 10.244.0.0/16\n', '10.244.7.0/24')
  await health()
  await proxy.setNode('10.244.8.0/24')
  await node.exec('nft', ['flush ruleset'])
  // Rules that come after the change.
  await eventually('the repair', () => listed('chain', 'ip', 'nodeplane', 'services'))
  t.equal(proxy.child.exitCode, null)
  t.equal(await stop(proxy), 0)
})

t.test('detector NodeCIDR without podCIDRs ends at the start', async t => {
  const proxy = await start('detectLocalMode: NodeCIDR\n')
  t.equal(await exitCode(proxy), 1)
  t.match(await proxy.stderr, /^nodeplane: .*Node node-a has no podCIDRs$/m)
})

t.test('oomScoreAdj is written for the process itself', async t => {
  // Anybody may raise it; the default needs a right that the test may not have.
  const proxy = await start('oomScoreAdj: 500\n')
  await eventually('the score', async () => {
    return (await readFile(`/proc/${proxy.child.pid}/oom_score_adj`, 'utf8')) === '500\n'
  })
  t.equal(await stop(proxy), 0)
})

t.test('without IPv6 in the kernel', async t => {
  await node.exec('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1'])
  await node.exec('nft', ['flush ruleset'])

  await t.test('one family is served, and healthy without the other', async t => {
    const proxy = await start('')
    t.strictSame(Object.keys((await health()).status), ['IPv4'])
    await eventually('the table', async () => (await listed('tables')) === 'table ip nodeplane\n')
    t.equal((await health()).healthy, true)
    t.equal(await stop(proxy), 0)
  })

  await t.test('a configuration for the other family only is refused', async t => {
    const proxy = await start('clusterCIDR: fd00:244::/48\n')
    t.equal(await exitCode(proxy), 2)
    t.match(
      await proxy.stderr,
      /clusterCIDR: 'fd00:244::\/48' has no CIDR of the node's primary family, IPv4/,
    )
  })
})
