import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { callBridge, environmentOf, REFERENCE_PLUGINS } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, leasesIn, linksOf } from '../helper/cni-network.ts'
import { eventually } from '../helper/eventually.ts'
import { TestNamespace } from '../helper/namespace.ts'

const nothing = { exitCode: 0, json: {}, stderr: '' }

const ruleset = async (host: TestNamespace) => (await host.exec('nft', ['list', 'ruleset'])).stdout

type Situation = {
  readonly title: string
  /** Between ADD and DEL; gives the path to use as CNI_NETNS. */
  readonly before: (host: TestNamespace, pod: TestNamespace, folder: string) => Promise<string>
  readonly times?: number
}

const situations: readonly Situation[] = [
  { title: 'after an ordinary ADD', before: async (_host, pod) => pod.path },
  { title: 'three times', before: async (_host, pod) => pod.path, times: 3 },
  { title: 'without a namespace', before: async () => '' },
  { title: 'with a path that does not exist', before: async () => '/run/netns/gone' },
  {
    title: 'with an ordinary file at the path, as a reboot leaves it',
    before: async (_host, _pod, folder) => {
      writeFileSync(join(folder, 'netns'), '')
      return join(folder, 'netns')
    },
  },
  {
    title: 'when the interface is gone',
    before: async (_host, pod) => {
      await pod.ip('link del eth0')
      return pod.path
    },
  },
  {
    title: 'when the bridge is gone',
    before: async (host, pod) => {
      await host.ip('link del cni0')
      return pod.path
    },
  },
  {
    title: 'when all rules were flushed',
    before: async (host, pod) => {
      await host.exec('nft', ['flush', 'ruleset'])
      return pod.path
    },
  },
  {
    title: 'when the addresses were released by somebody',
    before: async (_host, pod, folder) => {
      await exec('rm', ['-r', join(folder, 'leases')])
      return pod.path
    },
  },
]

for (const { title, before, times = 1 } of situations) {
  t.test(`DEL succeeds and leaves nothing ${title}`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const folder = t.testdir()
    const config = bridgeConfig(join(folder, 'leases'), { ipMasq: true })
    t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
    const netns = await before(host, pod, folder)
    for (let count = 0; count < times; count++) {
      t.same(await callBridge('DEL', config, netns), nothing)
    }
    t.notOk((await linksOf(host)).some(name => name.startsWith('veth')))
    t.notMatch(await ruleset(host), /10\.22\.0\.2|fd00:22::2/)
    if (!title.includes('released')) t.same(leasesIn(join(folder, 'leases')), [])
  })
}

t.test('DEL before any ADD succeeds and makes nothing', async t => {
  await using host = await enterHost()
  const config = bridgeConfig(join(t.testdir(), 'leases'), { ipMasq: true })
  t.same(await callBridge('DEL', config, ''), nothing)
  t.same(await linksOf(host), [])
  t.equal(await ruleset(host), '')
})

t.test('DEL succeeds when the namespace was deleted with the interface in it', async t => {
  await using host = await enterHost()
  const config = bridgeConfig(t.testdir(), { ipMasq: true })
  let path: string
  {
    await using pod = await TestNamespace.create('pod')
    path = pod.path
    t.equal((await callBridge('ADD', config, path)).exitCode, 0)
  }
  t.same(await callBridge('DEL', config, path), nothing)
  await eventually('the kernel to have destroyed the pair', async () => {
    return (await linksOf(host)).length === 1
  })
  t.notMatch(await ruleset(host), '10.22.0.2')
})

t.test('DEL of one interface leaves another one of the same container alone', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir(), {
    ipMasq: true,
    isDefaultGateway: false,
    isGateway: true,
  })
  for (const ifname of ['eth0', 'net1']) {
    t.equal((await callBridge('ADD', config, pod.path, { ifname })).exitCode, 0)
  }
  t.same(await callBridge('DEL', config, pod.path, { ifname: 'eth0' }), nothing)
  t.same(await linksOf(pod), ['net1'])
  t.match(await ruleset(host), /10\.22\.0\.3 comment/)
  t.notMatch(await ruleset(host), /10\.22\.0\.2 comment/)
})

t.test('DEL with a configuration that ADD refuses still releases everything', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const dataDir = t.testdir()
  const config = bridgeConfig(dataDir, { ipMasq: true })
  t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
  t.same(await callBridge('DEL', { ...config, vlan: 100, macspoofchk: true }, pod.path), nothing)
  t.same(await linksOf(host), ['cni0'])
  t.same(leasesIn(dataDir), [])
})

t.test('DEL never touches the interfaces of the host', async t => {
  await using host = await enterHost()
  await host.ip('link add eth0 type veth peer name other')
  const config = bridgeConfig(t.testdir())
  t.same(await callBridge('DEL', config, host.path), nothing)
  t.same((await linksOf(host)).toSorted(), ['eth0', 'other'])
})

/** Wires a pod by the reference plugin. */
async function addByReference(config: object, netns: string, containerId: string): Promise<void> {
  await exec(join(REFERENCE_PLUGINS, 'bridge'), [], {
    input: JSON.stringify(config),
    env: {
      ...environmentOf({ verb: 'ADD', config, netns, containerId }),
      PATH: process.env['PATH'] ?? '',
    },
  })
}

for (const preposition of ['with', 'without']) {
  t.test(`DEL ${preposition} a namespace removes what the reference made for a pod`, async t => {
    await using host = await enterHost()
    await using a = await TestNamespace.create('a')
    await using b = await TestNamespace.create('b')
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, { ipMasq: true })
    await addByReference(config, a.path, 'a')
    await addByReference(config, b.path, 'b')
    const netns = preposition === 'with' ? a.path : ''
    t.same(await callBridge('DEL', config, netns, { containerId: 'a' }), nothing)
    // Its link has a random name: without the namespace it cannot be found, and goes with it.
    t.equal((await linksOf(host)).length, preposition === 'with' ? 2 : 3)
    t.same(leasesIn(dataDir), ['10.22.0.3', 'fd00:22::3'])
    for (const [program, address] of [
      ['iptables', '10.22.0.'],
      ['ip6tables', 'fd00:22::'],
    ] as const) {
      const { stdout } = await host.exec(`${program}-save`, ['-t', 'nat'])
      t.notOk(stdout.includes(`-s ${address}2/`))
      t.ok(stdout.includes(`-s ${address}3/`), 'the other pod keeps its rules')
      t.equal(stdout.match(/^:CNI-/gm)?.length, 1)
    }
  })
}

t.test('DEL removes the rules of the reference plugin in their nftables shape', async t => {
  await using host = await enterHost()
  const config = bridgeConfig(t.testdir(), { ipMasq: true })
  // The first 16 hex digits of SHA-512 of "net", and of "eth0:container" and "eth0:other".
  const [ours, other] = ['a4861f4ae9f7d238-0ab5244c1ca55437', 'a4861f4ae9f7d238-ab1b33b494298b40']
  const input = `table inet cni_plugins_masquerade {
    chain masq_checks {
      ip saddr 10.22.0.2 ip daddr != 10.22.0.0/24 masquerade comment "${ours}, net: net, if: eth0"
      ip saddr 10.22.0.3 ip daddr != 10.22.0.0/24 masquerade comment "${other}, net: net, if: eth0"
    }
  }
`
  await host.exec('nft', ['-f', '-'], { input })
  t.same(await callBridge('DEL', config, ''), nothing)
  t.notMatch(await ruleset(host), '10.22.0.2')
  t.match(await ruleset(host), '10.22.0.3')
})

t.test(
  'GC releases what belongs to no valid attachment of the network, and nothing else',
  async t => {
    await using host = await enterHost()
    await using a = await TestNamespace.create('a')
    await using b = await TestNamespace.create('b')
    await using c = await TestNamespace.create('c')
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, { cniVersion: '1.1.0', ipMasq: true })
    const other = {
      ...config,
      name: 'other',
      ipam: { type: 'host-local', dataDir, subnet: '10.23.0.0/24' },
      bridge: 'cni1',
    }
    await callBridge('ADD', config, a.path, { containerId: 'a' })
    await callBridge('ADD', config, b.path, { containerId: 'b' })
    await callBridge('ADD', other, c.path, { containerId: 'c' })
    const gc = (list?: readonly object[]) =>
      callBridge(
        'GC',
        list === undefined ? config : { ...config, 'cni.dev/valid-attachments': list },
        '',
      )
    t.same(await gc(), nothing)
    t.equal((await linksOf(host)).length, 5, 'without a list nothing is released')
    t.same(await gc([{ containerID: 'a', ifname: 'eth0' }]), nothing)
    t.same(await linksOf(a), ['eth0'])
    t.same(await linksOf(b), [])
    t.same(await linksOf(c), ['eth0'])
    const rules = await ruleset(host)
    t.match(rules, '10.22.0.2 comment')
    t.notMatch(rules, '10.22.0.3 comment')
    t.match(rules, '10.23.0.2 comment')
    t.same(leasesIn(dataDir), ['10.22.0.2', 'fd00:22::2'])
  },
)
