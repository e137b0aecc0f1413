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

/** The Node, and a Service whose cluster IPs end with this. */
const objectsWith = (podCIDRs: string, end: number) => `
apiVersion: v1
kind: Node
metadata: { name: node-a }
spec: { podCIDRs: [${podCIDRs}] }
status: { addresses: [{ type: InternalIP, address: 192.0.2.1 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.${end}
  clusterIPs: [10.96.0.${end}, "fd00:96::${end}"]
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
  /** Writes the objects anew, in one step: half a manifest would be another one. */
  readonly set: (podCIDRs: string, end: number) => Promise<void>
}

const started = new Set<Started>()
// One that a failed test left behind would answer the next ones.
t.afterEach(async () => {
  for (const proxy of started) {
    const ended = exitCode(proxy)
    proxy.child.kill('SIGKILL')
    await ended
  }
  started.clear()
})

let count = 0
/** Starts a proxy with a directory of its own. */
async function start(config: string, podCIDRs = ''): Promise<Started> {
  const own = `${directory}/${count++}`
  await mkdir(`${own}/manifests`, { recursive: true })
  const set = async (podCIDRs: string, end: number) => {
    await writeFile(`${own}/objects.new`, objectsWith(podCIDRs, end))
    await rename(`${own}/objects.new`, `${own}/manifests/all.yaml`)
  }
  await set(podCIDRs, 20)
  await writeFile(`${own}/config.yaml`, CONFIG + config)
  const args = [MAIN, 'proxy', '--config', `${own}/config.yaml`, '--manifests', `${own}/manifests`]
  const child = node.spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] })
  const stderr = text(child.stderr as NonNullable<ChildProcess['stderr']>)
  const proxy = { child, set, stderr }
  started.add(proxy)
  return proxy
}

async function exitCode({ child }: Started): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
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

/** Are there tables of these families, and no others? Which comes first is chance. */
const hasTables = async (...families: readonly string[]) => {
  const tables = (await listed('tables')).trim().split('\n').toSorted()
  return tables.join() === families.map(family => `table ${family} nodeplane`).join()
}

t.test('both families are served where the kernel has them', async t => {
  const proxy = await start('')
  t.strictSame(Object.keys((await health()).status), ['IPv4', 'IPv6'])
  await eventually('both tables', () => hasTables('ip', 'ip6'))
  t.equal(await stop(proxy), 0)
  await node.exec('nft', ['flush ruleset'])
})

t.test('detector NodeCIDR: the rules are those of the podCIDRs, and end with them', async t => {
  const proxy = await start('detectLocalMode: NodeCIDR\n', '10.244.7.0/24, "fd00:244:7::/64"')
  const isKnown = async (family: string, prefix: string) =>
    (await listed('chain', family, 'nodeplane', 'masquerade-cluster-ip')).includes(prefix)
  await eventually('the rules', () => isKnown('ip', '10.244.7.0/24'))
  await eventually('the rules', () => isKnown('ip6', 'fd00:244:7::/64'))
  await proxy.set('10.244.8.0/24', 20)
  t.equal(await exitCode(proxy), 1)
  t.match(
    await proxy.stderr,
    /^nodeplane: .*podCIDRs changed from 10\.244\.7\.0\/24,fd00:244:7::\/64 to 10\.244\.8\.0\/24/m,
  )
  t.ok(await isKnown('ip', '10.244.7.0/24'), 'the rules stay')
})

t.test('other detectors do not end with the podCIDRs', async t => {
  const proxy = await start('clusterCIDR: 10.244.0.0/16\n', '10.244.7.0/24')
  const isServed = async (ip: string) =>
    (await listed('set', 'ip', 'nodeplane', 'cluster-ips')).includes(ip)
  await eventually('the rules', () => isServed('10.96.0.20'))
  await proxy.set('10.244.8.0/24', 21)
  await eventually('what came with the change', () => isServed('10.96.0.21'))
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
    await eventually('the table', () => hasTables('ip'))
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
