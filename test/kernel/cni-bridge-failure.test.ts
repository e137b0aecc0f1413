import t from 'tap'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

t.test(
  'an interface name that is taken fails the ADD and leaves the interface as it is',
  async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, { ipMasq: true })
    t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
    for (const containerId of ['container', 'another']) {
      const { exitCode, json } = await callBridge('ADD', config, pod.path, { containerId })
      t.equal(exitCode, 1)
      t.match(json, { code: 4, msg: /interface eth0 already exists in the container/ })
    }
    t.equal((await linksOf(host)).length, 2)
    t.same(leasesIn(dataDir), ['10.22.0.2', 'fd00:22::2'])
    t.equal(await echo(pod, host, '10.22.0.1'), '10.22.0.2 hello')
  },
)

type Failure = {
  readonly title: string
  readonly changes: (dataDir: string) => Readonly<Record<string, unknown>>
  readonly code: number
  readonly message: RegExp
}

const failures: readonly Failure[] = [
  {
    title: 'when IPAM has no address',
    changes: dataDir => ({
      ipam: {
        ...hostLocal(dataDir, ['10.22.0.0/24']),
        ranges: [
          [{ subnet: '10.22.0.0/24' }],
          // One address, which is the gateway.
          [{ subnet: '10.23.0.0/30', rangeStart: '10.23.0.1', rangeEnd: '10.23.0.1' }],
        ],
      },
    }),
    code: 11,
    message: /no IP addresses available in range set/,
  },
  {
    title: 'when the IPAM plugin is missing',
    changes: () => ({ ipam: { type: 'nosuch' } }),
    code: 7,
    message: /nosuch/,
  },
  {
    title: 'when a route is impossible',
    changes: dataDir => ({
      ipMasq: true,
      ipam: { ...hostLocal(dataDir), routes: [{ dst: '10.0.0.0/8', gw: '192.0.2.1' }] },
    }),
    code: 7,
    message: /10\.0\.0\.0\/8 via 192\.0\.2\.1: .*Nexthop has invalid gateway/,
  },
  {
    title: 'when two routes to one destination contradict each other',
    changes: dataDir => ({
      ipam: { ...hostLocal(dataDir), routes: [{ dst: '10.22.0.0/24', gw: '10.22.0.9' }] },
    }),
    code: 7,
    message: /10\.22\.0\.0\/24 has another route already/,
  },
  {
    title: 'when the kernel refuses the MTU',
    changes: () => ({ mtu: 70000, bridge: 'cni1' }),
    code: 999,
    message: /EINVAL|EMSGSIZE|mtu/,
  },
  {
    title: 'when the IPv6 MTU is too small for IPv6',
    changes: () => ({ mtu: 1000 }),
    code: 999,
    message: /address|IPv6|disable_ipv6|sysctl/,
  },
]

for (const { title, changes, code, message } of failures) {
  t.test(`ADD leaves neither link nor rule nor reservation ${title}`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir({ net: {} })
    const config = bridgeConfig(dataDir, changes(dataDir))
    const { exitCode, json, stderr } = await callBridge('ADD', config, pod.path)
    t.equal(exitCode, 1)
    t.match(json, { code, msg: message, cniVersion: '1.0.0' })
    t.notMatch(stderr, /veth|masquerading/, 'undoing succeeded')
    t.notOk((await linksOf(host)).some(name => name.startsWith('veth')))
    t.same(await linksOf(pod), [])
    t.same(leasesIn(dataDir), [])
    t.notMatch((await host.exec('nft', ['list', 'ruleset'])).stdout, '10.22')
  })
}

const refusals: readonly {
  title: string
  config: Record<string, unknown>
  code: number
  message: RegExp
}[] = [
  { title: 'a VLAN above 4094', config: { vlan: 4095 }, code: 7, message: /vlan: 4095/ },
  { title: 'an unknown backend', config: { ipMasqBackend: 'ebpf' }, code: 7, message: /'ebpf'/ },
  { title: 'a truth value as text', config: { isGateway: 'true' }, code: 6, message: /isGateway/ },
  {
    title: 'a wrong MAC',
    config: { runtimeConfig: { mac: 'x' } },
    code: 7,
    message: /'x' is not a MAC/,
  },
  { title: 'a bridge name that is none', config: { bridge: 'a/b' }, code: 7, message: /'a\/b'/ },
  {
    title: 'hairpin and promiscuous mode together',
    config: { hairpinMode: true, promiscMode: true },
    code: 7,
    message: /cannot set hairpin mode and promiscuous mode at the same time/,
  },
  {
    title: 'addresses on a disabled interface',
    config: { disableContainerInterface: true },
    code: 7,
    message: /ipam/,
  },
  {
    title: 'layer 2 before version 0.3.0',
    config: { cniVersion: '0.2.0', ipam: {} },
    code: 7,
    message: /0\.3\.0/,
  },
]

for (const { title, config: changes, code, message } of refusals) {
  t.test(`refused before anything is made: ${title}`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const { exitCode, json } = await callBridge('ADD', bridgeConfig(t.testdir(), changes), pod.path)
    t.equal(exitCode, 1)
    t.match(json, { code, msg: message })
    t.same(await linksOf(host), [])
  })
}

t.test("a namespace that is none, or the host's, is refused before anything is made", async t => {
  await using host = await enterHost()
  const dataDir = t.testdir({ net: {} })
  for (const netns of [
    '/run/netns/gone',
    '/proc/self/ns/mnt',
    '/etc/passwd',
    '/proc/thread-self/ns/net',
    host.path,
  ]) {
    const { exitCode, json } = await callBridge('ADD', bridgeConfig(dataDir), netns)
    t.equal(exitCode, 1, netns)
    t.match(json, { code: 8 }, netns)
  }
  t.same(await linksOf(host), [])
  t.same(leasesIn(dataDir), [])
})

t.test('the host as container is possible where it is allowed', async t => {
  await using host = await enterHost()
  const config = bridgeConfig(t.testdir())
  const env = { CNI_NETNS_OVERRIDE: 'true' }
  t.equal((await callBridge('ADD', config, host.path, { ifname: 'pod0', env })).exitCode, 0)
  t.match(await host.ip('address show pod0'), '10.22.0.2/24')
  t.equal((await callBridge('DEL', config, host.path, { ifname: 'pod0', env })).exitCode, 0)
  t.same(await linksOf(host), ['cni0'])
})
