import t from 'tap'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

t.test('twenty ADDs at once on a fresh bridge all succeed, with an address each', async t => {
  await using stack = new AsyncDisposableStack()
  const host = stack.use(await enterHost())
  const names = Array.from({ length: 20 }, (_, index) => `p${index}`)
  const pods: TestNamespace[] = []
  for (const name of names) pods.push(stack.use(await TestNamespace.create(name)))
  const dataDir = t.testdir()
  const config = bridgeConfig(dataDir, { ipMasq: true })
  const answers = await Promise.all(
    pods.map((pod, index) => callBridge('ADD', config, pod.path, { containerId: `p${index}` })),
  )
  t.ok(
    answers.every(({ exitCode }) => exitCode === 0),
    JSON.stringify(answers.find(a => a.exitCode !== 0)),
  )
  const addresses = answers.map(({ json }) => (json['ips'] as { address: string }[])[0]?.address)
  t.equal(new Set(addresses).size, 20)
  const macs = answers.map(({ json }) => (json['interfaces'] as { mac: string }[])[0]?.mac)
  t.equal(new Set(macs).size, 1, 'the MAC of the bridge never changes')
  const last = addresses.at(-1)?.split('/')[0] as string
  t.equal(
    await echo(pods[0] as TestNamespace, pods.at(-1) as TestNamespace, last),
    `${addresses[0]?.split('/')[0]} hello`,
  )
  const ends = await Promise.all(
    pods.map((pod, index) => callBridge('DEL', config, pod.path, { containerId: `p${index}` })),
  )
  t.ok(
    ends.every(({ exitCode }) => exitCode === 0),
    JSON.stringify(ends.find(a => a.exitCode !== 0)),
  )
  t.same(await linksOf(host), ['cni0'])
  t.same(leasesIn(dataDir), [])
  t.notMatch((await host.exec('nft', ['list', 'ruleset'])).stdout, 'comment')
})

t.test('a link that is no bridge is refused and stays as it is', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  await host.ip('link add cni0 type veth peer name other')
  const before = await host.ip('link')
  const { exitCode, json } = await callBridge('ADD', bridgeConfig(t.testdir()), pod.path)
  t.equal(exitCode, 1)
  t.match(json, { code: 7, msg: /"cni0" already exists but is not a bridge, it is a veth/ })
  t.equal(await host.ip('link'), before)
})

t.test('an existing bridge is adopted with its MTU, ports and other addresses', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  await host.ip('link add cni0 type bridge')
  await host.ip('link set cni0 mtu 1300')
  await host.ip('address add fd00:99::1/64 dev cni0 nodad')
  await host.ip('link add port master cni0 type veth peer name other')
  t.equal((await callBridge('ADD', bridgeConfig(t.testdir(), { mtu: 1400 }), pod.path)).exitCode, 0)
  t.match(await host.ip('link show cni0'), /mtu 1300 .*state UP/)
  t.match(await host.ip('link show port'), 'master cni0')
  t.match(await host.ip('address show cni0'), 'fd00:99::1/64')
  t.match(await host.ip('address show cni0'), 'fd00:22::1/64')
})

t.test('a bridge that has lost its last port, and its MAC, can be used again', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  await host.ip('link add cni0 type bridge')
  await host.ip('link add port master cni0 type veth peer name other')
  await host.ip('link del port')
  t.equal((await callBridge('ADD', bridgeConfig(t.testdir()), pod.path)).exitCode, 0)
  const mac = /link\/ether (\S+)/.exec(await host.ip('link show cni0'))?.[1]
  t.not(mac, '00:00:00:00:00:00')
  await host.ip('link add port address 02:00:00:00:00:01 master cni0 type veth peer name other')
  t.equal(/link\/ether (\S+)/.exec(await host.ip('link show cni0'))?.[1], mac, 'the MAC is pinned')
})

const conflicts: readonly { title: string; present: string; isConflict: boolean }[] = [
  { title: 'another IPv4 address', present: '192.0.2.1/24', isConflict: true },
  { title: 'another length of the same IPv4 address', present: '10.22.0.1/16', isConflict: true },
  {
    title: 'another IPv6 address of an overlapping subnet',
    present: 'fd00:22::9/48',
    isConflict: true,
  },
  { title: 'another IPv6 subnet', present: 'fd00:33::1/64', isConflict: false },
  { title: 'the very address', present: '10.22.0.1/24', isConflict: false },
]

for (const { title, present, isConflict } of conflicts) {
  t.test(`${title} on the bridge is ${isConflict ? 'a conflict' : 'none'}`, async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const dataDir = t.testdir()
    await host.ip('link add cni0 type bridge')
    await host.ip('link set cni0 up')
    await host.ip(`address add ${present} dev cni0${present.includes(':') ? ' nodad' : ''}`)
    const { exitCode, json } = await callBridge('ADD', bridgeConfig(dataDir), pod.path)
    t.equal(exitCode, isConflict ? 1 : 0)
    t.match(await host.ip('address show cni0'), present)
    if (!isConflict) return
    t.match(json, { code: 7, msg: /"cni0" already has an IP address different from/ })
    t.ok(String(json['msg']).includes(present))
    t.same(leasesIn(dataDir), [])
    t.same(await linksOf(host), ['cni0'])

    const forced = bridgeConfig(dataDir, { forceAddress: true })
    t.equal((await callBridge('ADD', forced, pod.path)).exitCode, 0)
    const addresses = await host.ip('address show cni0')
    t.notMatch(addresses, present)
    t.match(addresses, /10\.22\.0\.1\/24[^]*fd00:22::1\/64/)
  })
}

t.test('two ranges of one family give the bridge two gateways', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdirName, {
    ipam: hostLocal(t.testdir(), ['10.22.0.0/24', '10.23.0.0/24']),
  })
  t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
  t.match(await host.ip('address show cni0'), /10\.22\.0\.1\/24[^]*10\.23\.0\.1\/24/)
  t.equal((await pod.ip('route show default')).trim(), 'default via 10.22.0.1 dev eth0')
})

t.test(
  'without isGateway the bridge has no address and the node does not start to route',
  async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const config = bridgeConfig(t.testdir(), { isDefaultGateway: false })
    const { json } = await callBridge('ADD', config, pod.path)
    t.notMatch(await host.ip('address show cni0'), '10.22.0.1')
    t.equal((await host.exec('sysctl', ['-n', 'net.ipv4.ip_forward'])).stdout.trim(), '0')
    t.notOk('routes' in json)
  },
)
