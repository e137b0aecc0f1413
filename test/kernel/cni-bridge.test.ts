import { readFileSync } from 'node:fs'
import t from 'tap'
import { NetworkNamespace } from '#linux/namespace.ts'
import { readSysctl } from '#linux/sysctl.ts'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

t.test('ADD connects pods with each other and with the node, in both families', async t => {
  await using host = await enterHost()
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const config = bridgeConfig(t.testdir())
  for (const [containerId, pod] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const answer = await callBridge('ADD', config, pod.path, { containerId })
    t.equal(answer.exitCode, 0, answer.stderr)
  }
  const paths = [
    { from: a, to: b, address: '10.22.0.3', client: '10.22.0.2' },
    { from: b, to: a, address: 'fd00:22::2', client: 'fd00:22::3' },
    { from: a, to: host, address: '10.22.0.1', client: '10.22.0.2' },
    { from: a, to: host, address: 'fd00:22::1', client: 'fd00:22::2' },
    { from: host, to: b, address: '10.22.0.3', client: '10.22.0.1' },
    { from: host, to: b, address: 'fd00:22::3', client: 'fd00:22::1' },
  ]
  for (const { from, to, address, client } of paths) {
    t.equal(await echo(from, to, address), `${client} hello`, address)
  }
})

t.test('the result names bridge, host end and container end, addresses and routes', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir())
  const { json } = await callBridge('ADD', config, pod.path)
  const mac = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/
  t.match(json, {
    cniVersion: '1.0.0',
    interfaces: [
      { name: 'cni0', mac },
      { name: /^veth[0-9a-f]{11}$/, mac },
      { name: 'eth0', mac, sandbox: pod.path },
    ],
    ips: [
      { interface: 2, address: '10.22.0.2/24', gateway: '10.22.0.1' },
      { interface: 2, address: 'fd00:22::2/64', gateway: 'fd00:22::1' },
    ],
    routes: [
      { dst: '0.0.0.0/0', gw: '10.22.0.1' },
      { dst: '::/0', gw: 'fd00:22::1' },
    ],
  })
  const interfaces = json['interfaces'] as { name: string; mac: string }[]
  const links = JSON.parse(await host.ip('-j link')) as { ifname: string; address: string }[]
  for (const { name, mac } of interfaces.slice(0, 2)) {
    t.equal(links.find(({ ifname }) => ifname === name)?.address, mac)
  }
})

t.test(
  'ADD leaves the kernel as section 18 of the specification lists it, DEL takes it back',
  async t => {
    await using host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    using namespace = NetworkNamespace.open(pod.path)
    const dataDir = t.testdir()
    const config = bridgeConfig(dataDir, { ipMasq: true, hairpinMode: true })
    await pod.exec('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1'])
    const { json } = await callBridge('ADD', config, pod.path)
    const [, hostEnd] = (json['interfaces'] as { name: string }[]).map(({ name }) => name)

    t.match(await host.ip('-d link show cni0'), /state UP.*bridge_slave|state UP[^]*bridge /)
    t.match(
      await host.ip('address show cni0'),
      /inet 10\.22\.0\.1\/24[^]*inet6 fd00:22::1\/64 scope global nodad/,
    )
    t.match(await host.ip(`-d link show ${hostEnd}`), /master cni0 state UP[^]*hairpin on/)
    for (const sysctl of [
      'net/ipv4/ip_forward=1',
      'net/ipv6/conf/all/forwarding=1',
      'net/ipv6/conf/cni0/accept_ra=0',
      `net/ipv6/conf/${hostEnd}/accept_ra=0`,
    ]) {
      const [path, value] = sysctl.split('=') as [string, string]
      t.equal(readSysctl(path), value, sysctl)
    }
    for (const sysctl of [
      'net/ipv4/conf/eth0/arp_notify=1',
      'net/ipv6/conf/eth0/ndisc_notify=1',
      'net/ipv6/conf/eth0/accept_dad=0',
      'net/ipv6/conf/eth0/keep_addr_on_down=1',
      'net/ipv6/conf/eth0/disable_ipv6=0',
      'net/ipv6/conf/lo/disable_ipv6=0',
    ]) {
      const [path, value] = sysctl.split('=') as [string, string]
      t.equal(
        namespace.run(() => readSysctl(path)),
        value,
        sysctl,
      )
    }
    t.notMatch(await pod.ip('-6 address show dev eth0 scope global'), 'tentative')
    t.equal((await pod.ip('route')).trim().split('\n').length, 2)
    t.equal(readFileSync(`${dataDir}/net/10.22.0.2`, 'utf8'), 'container\r\neth0')
    t.match((await host.exec('nft', ['list', 'ruleset'])).stdout, '10.22.0.2 comment')

    const before = await host.ip('-o address show cni0')
    t.same(await callBridge('DEL', config, pod.path), { exitCode: 0, json: {}, stderr: '' })
    t.same(await linksOf(host), ['cni0'])
    t.same(await linksOf(pod), [])
    t.same(leasesIn(dataDir), [])
    t.notMatch((await host.exec('nft', ['list', 'ruleset'])).stdout, /10\.22\.0\.2|container/)
    t.equal(readSysctl('net/ipv4/ip_forward'), '1')
    t.match(await host.ip('-o address show cni0'), '10.22.0.1/24')
    t.match(before, '10.22.0.1/24')
  },
)

t.test('the container gets the MAC, MTU and DNS that are wished for', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir(), {
    mtu: 1400,
    dns: { nameservers: ['10.96.0.10'] },
    args: { cni: { mac: '02:00:00:00:00:02' } },
    runtimeConfig: { mac: '02:00:00:00:00:01' },
  })
  const { json } = await callBridge('ADD', config, pod.path, {
    env: { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x;MAC=02:00:00:00:00:03' },
  })
  t.match(json, { dns: { nameservers: ['10.96.0.10'] } })
  t.match((json['interfaces'] as object[])[2], { mac: '02:00:00:00:00:01' })
  t.match(await pod.ip('link show eth0'), /mtu 1400[^]*02:00:00:00:00:01/)
  t.match(await host.ip('link show cni0'), 'mtu 1400')
})

for (const version of ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
  t.test(`a configuration of version ${version} gets the result of that version`, async t => {
    await using _host = await enterHost()
    await using pod = await TestNamespace.create('pod')
    const config = bridgeConfig(t.testdir(), { cniVersion: version })
    const { json, exitCode } = await callBridge('ADD', config, pod.path)
    t.equal(exitCode, 0, JSON.stringify(json))
    t.equal(json['cniVersion'], version)
    if (version < '0.3.0') {
      t.match(json, { ip4: { ip: '10.22.0.2/24' }, ip6: { ip: 'fd00:22::2/64' }, dns: {} })
    } else {
      const [first] = json['ips'] as Record<string, unknown>[]
      t.equal(first?.['version'], version < '1.0.0' ? '4' : undefined)
      t.equal(first?.['interface'], 2)
    }
    t.equal((await callBridge('DEL', config, pod.path)).exitCode, 0)
  })
}

t.test('without ipam the container end is up and has no address', async t => {
  await using host = await enterHost()
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const config = { cniVersion: '1.0.0', name: 'l2', type: 'bridge', bridge: 'br.2', ipam: {} }
  const up = await callBridge('ADD', config, a.path, { containerId: 'a' })
  t.match(up.json, { interfaces: [{ name: 'br.2' }, {}, { name: 'eth0' }] })
  t.notOk('ips' in up.json)
  t.match(await a.ip('link show eth0'), 'state UP')
  t.equal(
    (await callBridge('CHECK', { ...config, prevResult: up.json }, a.path, { containerId: 'a' }))
      .exitCode,
    0,
  )

  const disabled = { ...config, disableContainerInterface: true, portIsolation: true }
  t.equal((await callBridge('ADD', disabled, b.path, { containerId: 'b' })).exitCode, 0)
  t.notMatch(await b.ip('link show eth0'), ',UP')
  t.match(await host.ip('-d link show master br.2'), /isolated on/)
  for (const [containerId, pod] of Object.entries({ a, b })) {
    t.equal((await callBridge('DEL', config, pod.path, { containerId })).exitCode, 0)
  }
  t.same(await linksOf(host), ['br.2'])
})

t.test('duplicate detection, when wanted, has ended when ADD returns', async t => {
  await using _host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir(), { enabledad: true })
  t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
  const addresses = await pod.ip('-6 address show dev eth0 scope global')
  t.match(addresses, 'fd00:22::2/64')
  t.notMatch(addresses, /tentative|nodad/)
})

t.test('a duplicate address fails an ADD that looks for it, and frees the reservation', async t => {
  await using host = await enterHost()
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const [dataDir, otherDir] = [t.testdir({ one: {}, two: {} })].flatMap(dir => [
    `${dir}/one`,
    `${dir}/two`,
  ]) as [string, string]
  const config = bridgeConfig(dataDir)
  t.equal((await callBridge('ADD', config, a.path, { containerId: 'a' })).exitCode, 0)
  const twin = bridgeConfig(otherDir, { enabledad: true })
  const { exitCode, json } = await callBridge('ADD', twin, b.path, { containerId: 'b' })
  t.equal(exitCode, 1)
  t.match(json, { msg: /fd00:22::2\/64 is in use by another machine/ })
  t.same(leasesIn(otherDir), [])
  t.same(await linksOf(b), [])
  t.equal((await linksOf(host)).length, 2)
})

t.test('routes: given gateways, several gateways, metrics; exactly one default route', async t => {
  await using _host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const routes = [
    { dst: '0.0.0.0/0' },
    { dst: '10.96.0.0/12', gw: '10.22.0.7' },
    { dst: '10.97.0.0/16', gw: '10.22.0.7' },
    { dst: '10.97.0.0/16', gw: '10.22.0.8' },
    { dst: '10.97.0.0/16', gw: '10.22.0.8' },
  ]
  const config = bridgeConfig(t.testdir(), {
    ipam: { ...hostLocal(t.testdirName, ['10.22.0.0/24']), routes },
  })
  const { json, exitCode } = await callBridge('ADD', config, pod.path)
  t.equal(exitCode, 0, JSON.stringify(json))
  t.same(json['routes'], routes, "IPAM's routes are reported as IPAM gave them")
  const listed = await pod.ip('route')
  t.match(listed, /^default via 10\.22\.0\.1 dev eth0 $/m)
  t.match(listed, /^10\.96\.0\.0\/12 via 10\.22\.0\.7 dev eth0 $/m)
  t.match(listed, /nexthop via 10\.22\.0\.7[^]*nexthop via 10\.22\.0\.8/)
  t.equal(listed.match(/default/g)?.length, 1)
  t.equal((await callBridge('CHECK', { ...config, prevResult: json }, pod.path)).exitCode, 0)
})
