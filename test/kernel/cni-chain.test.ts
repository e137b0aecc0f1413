import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ChainLink, callChain } from '../helper/cni-chain.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, leasesIn, linksOf } from '../helper/cni-network.ts'
import { eventually } from '../helper/eventually.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'
import { ask, serve } from '../helper/traffic.ts'

/** A network's plugins; which of them are the reference's is for the test to say. */
function chainOf(folder: string, reference: readonly string[]): readonly ChainLink[] {
  const plugins: readonly ChainLink[] = [
    { ...bridgeConfig(folder, { ipMasq: true }), type: 'bridge' },
    {
      type: 'portmap',
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    },
    {
      type: 'bandwidth',
      ingressRate: 80_000_000,
      ingressBurst: 8_000_000,
      egressRate: 80_000_000,
      egressBurst: 8_000_000,
    },
    { type: 'firewall', backend: 'iptables' },
    {
      type: 'tuning',
      mtu: 1400,
      sysctl: { 'net.core.somaxconn': '500' },
      dataDir: join(folder, 'tuning'),
    },
  ]
  return plugins.map(plugin => ({ ...plugin, reference: reference.includes(plugin.type) }))
}

async function setup(stack: AsyncDisposableStack) {
  const host = stack.use(await enterHost())
  const pod = stack.use(await TestNamespace.create('pod'))
  const outside = stack.use(await TestNamespace.create('outside'))
  await joinNamespaces(
    { namespace: host, link: 'uplink', addresses: ['192.0.2.10/24'] },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24'] },
  )
  return { host, pod, outside }
}

/** What of the attachment is on the host: rules, links, leases, files. */
async function tracesOf(host: TestNamespace, folder: string): Promise<readonly string[]> {
  const listings = await Promise.all([
    host.exec('nft', ['list', 'ruleset']),
    host.exec('iptables-save', []),
    host.exec('ip6tables-save', []),
  ])
  const rules = listings.flatMap(({ stdout }) => stdout.split('\n'))
  const tuning = join(folder, 'tuning')
  return [
    ...rules.filter(line =>
      /10\.22\.0\.2\b|fd00:22::2\b|CNI-DN-|CNI-[0-9a-f]{24}|comment "[0-9a-f]{16}-/.test(line),
    ),
    ...(await linksOf(host)).filter(name => /^(veth|bwp)/.test(name)),
    ...leasesIn(folder),
    ...(existsSync(tuning) ? readdirSync(tuning) : []),
  ]
}

const chained = ['portmap', 'bandwidth', 'firewall', 'tuning']
const cases: readonly { title: string; reference: readonly string[] }[] = [
  { title: 'all ours', reference: [] },
  { title: 'our chained plugins behind the reference bridge', reference: ['bridge'] },
  { title: 'the reference’s chained plugins behind our bridge', reference: chained },
]

for (const { title, reference } of cases) {
  t.test(`${title}: ADD, CHECK and DEL leave nothing`, async t => {
    await using stack = new AsyncDisposableStack()
    const { host, pod, outside } = await setup(stack)
    const folder = t.testdir()
    const chain = { plugins: chainOf(folder, reference), netns: pod.path }
    const { exitCode, json } = await callChain('ADD', chain)
    t.equal(exitCode, 0, JSON.stringify(json))
    t.match(json, {
      interfaces: [{ name: 'cni0' }, { name: /^veth/ }, { name: 'eth0' }, { name: /^bwp/ }],
      ips: [{ address: '10.22.0.2/24' }, { address: 'fd00:22::2/64' }],
    })
    await serve(pod, 'pod', [80])
    const target = { protocol: 'tcp', host: '192.0.2.10', port: 8080 } as const
    await eventually('the mapped port', async () => {
      return (await ask(outside, target))[0] === 'pod 192.0.2.99'
    })
    // The reference's portmap looks for the IPv4 rules in ip6tables when a container has both families.
    const isSound = ({ type, reference }: ChainLink) => !(type === 'portmap' && reference)
    const sound = { ...chain, plugins: chain.plugins.filter(isSound) }
    const checked = await callChain('CHECK', sound, json)
    t.equal(checked.exitCode, 0, JSON.stringify(checked.json))
    t.ok((await tracesOf(host, folder)).length > 8)
    const deleted = await callChain('DEL', chain, json)
    t.equal(deleted.exitCode, 0, JSON.stringify(deleted.json))
    t.strictSame(await tracesOf(host, folder), [])
  })
}

t.test('all ours: DEL leaves nothing without namespace and result', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod } = await setup(stack)
  const folder = t.testdir()
  const plugins = chainOf(folder, [])
  t.equal((await callChain('ADD', { plugins, netns: pod.path })).exitCode, 0)
  t.equal((await callChain('DEL', { plugins, netns: '' })).exitCode, 0)
  t.strictSame(await tracesOf(host, folder), [])
})

t.test('what the reference wired before an upgrade, our DEL removes', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod } = await setup(stack)
  const folder = t.testdir()
  const before = { plugins: chainOf(folder, ['bridge', ...chained]), netns: pod.path }
  const { exitCode, json } = await callChain('ADD', before)
  t.equal(exitCode, 0, JSON.stringify(json))
  t.equal((await callChain('DEL', { ...before, plugins: chainOf(folder, []) }, json)).exitCode, 0)
  t.strictSame(await tracesOf(host, folder), [])
})

t.test('GC of a chain releases what belongs to no valid attachment', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod } = await setup(stack)
  const folder = t.testdir()
  const chain = { plugins: chainOf(folder, []), netns: pod.path, cniVersion: '1.1.0' }
  t.equal((await callChain('ADD', chain)).exitCode, 0)
  t.match(await callChain('STATUS', chain), { exitCode: 0 })
  const valid = { 'cni.dev/valid-attachments': [{ containerID: 'container', ifname: 'eth0' }] }
  const before = await tracesOf(host, folder)
  t.match(await callChain('GC', chain, undefined, valid), { exitCode: 0 })
  t.strictSame(await tracesOf(host, folder), before)
  t.equal(
    (await callChain('GC', chain, undefined, { 'cni.dev/valid-attachments': [] })).exitCode,
    0,
  )
  t.strictSame(await tracesOf(host, folder), [])
})
