import t from 'tap'
import { ptp } from '#cni/ptp/ptp.ts'
import { callVerb, type PluginCall } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { echo, hostLocal, leasesIn, linksOf } from '../helper/cni-network.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

/** Two containers without a plugin's work on a host, and a machine outside that knows no way to them. */
async function setup(stack: AsyncDisposableStack, dataDir: string) {
  const host = stack.use(await enterHost())
  const a = stack.use(await TestNamespace.create('a'))
  const b = stack.use(await TestNamespace.create('b'))
  const outside = stack.use(await TestNamespace.create('outside'))
  await joinNamespaces(
    { namespace: host, link: 'uplink', addresses: ['192.0.2.10/24', 'fd00:2::10/64'] },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24', 'fd00:2::99/64'] },
  )
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
  const config = {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'ptp',
    ipMasq: true,
    ipam: { ...hostLocal(dataDir), routes },
  }
  const call = (verb: string, id: 'a' | 'b', fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(ptp, {
      verb,
      containerId: id,
      netns: { a, b }[id].path,
      config: { ...config, ...fields },
      ...rest,
    })
  return { host, a, b, outside, call, dataDir }
}

const ruleset = async (host: TestNamespace) => (await host.exec('nft', ['list', 'ruleset'])).stdout

t.test(
  'containers reach the host, each other by routes, and the outside by its address',
  async t => {
    await using stack = new AsyncDisposableStack()
    const { host, a, b, outside, call, dataDir } = await setup(stack, t.testdir())
    const { exitCode, json } = await call('ADD', 'a', {
      mtu: 1400,
      dns: { nameservers: ['10.0.0.1'] },
    })
    t.equal(exitCode, 0, JSON.stringify(json))
    const [hostEnd, inside] = json['interfaces'] as {
      name: string
      mac: string
      sandbox?: string
    }[]
    t.match(json, {
      interfaces: [{ name: /^veth[0-9a-f]{11}$/ }, { name: 'eth0', sandbox: a.path }],
      ips: [
        { address: '10.22.0.2/24', gateway: '10.22.0.1', interface: 1 },
        { address: 'fd00:22::2/64', gateway: 'fd00:22::1', interface: 1 },
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      dns: { nameservers: ['10.0.0.1'] },
    })
    t.equal(hostEnd?.sandbox, undefined)
    t.match(JSON.parse(await a.ip('-j link show eth0')), [{ address: inside?.mac, mtu: 1400 }])
    t.equal((await call('ADD', 'b')).exitCode, 0)
    const routes = (await a.ip('route'))
      .trim()
      .split('\n')
      .map(line => line.trim())
    t.strictSame(routes, [
      'default via 10.22.0.1 dev eth0',
      '10.22.0.0/24 via 10.22.0.1 dev eth0 src 10.22.0.2',
      '10.22.0.1 dev eth0 scope link src 10.22.0.2',
    ])
    t.equal(await echo(a, host, '10.22.0.1'), '10.22.0.2 hello')
    t.equal(await echo(host, a, 'fd00:22::2'), 'fd00:22::1 hello')
    t.equal(await echo(a, b, '10.22.0.3'), '10.22.0.2 hello', 'without NAT')
    t.equal(await echo(a, b, 'fd00:22::3'), 'fd00:22::2 hello')
    t.equal(await echo(a, outside, '192.0.2.99'), '192.0.2.10 hello', 'masqueraded')
    t.equal((await call('CHECK', 'a', { prevResult: json })).exitCode, 0)
    await host.ip('route del 10.22.0.2/32')
    t.match((await call('CHECK', 'a', { prevResult: json })).json, {
      code: 100,
      msg: 'the host has no route to 10.22.0.2/32',
    })
    t.equal((await call('DEL', 'a', {}, { netns: '' })).exitCode, 0)
    t.equal((await call('DEL', 'a')).exitCode, 0, 'twice')
    t.strictSame(leasesIn(dataDir), ['10.22.0.3', 'fd00:22::3'])
    t.notMatch(await ruleset(host), /10\.22\.0\.2|fd00:22::2/)
    t.equal(await echo(b, host, '10.22.0.1'), '10.22.0.3 hello', 'the other goes on')
    t.equal((await call('GC', 'a', { 'cni.dev/valid-attachments': [] })).exitCode, 0)
    t.strictSame(await linksOf(host), ['uplink'])
    t.strictSame(leasesIn(dataDir), [])
  },
)

t.test('a failed ADD leaves nothing', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, a, call, dataDir } = await setup(stack, t.testdir())
  await host.ip('route add 10.22.0.2/32 dev uplink scope host')
  t.match((await call('ADD', 'a')).json, {
    code: 7,
    msg: /the host has another route to 10\.22\.0\.2/,
  })
  t.strictSame(await linksOf(host), ['uplink'])
  t.strictSame(await linksOf(a), [])
  t.strictSame(leasesIn(dataDir), [])
  await a.ip('link add eth0 type veth peer name other')
  t.match((await call('ADD', 'a')).json, { code: 4, msg: /eth0 already exists/ })
  t.strictSame([...(await linksOf(a))].sort(), ['eth0', 'other'], 'what was there stays')
})

t.test('wrong configurations are refused before anything is touched', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call } = await setup(stack, t.testdir())
  for (const [fields, code, msg] of [
    [{ ipam: null }, 7, /^ipam: is missing/],
    [{ ipam: {} }, 7, /^ipam\.type: is missing/],
    [{ ipMasqBackend: 'iptables' }, 2, /^ipMasqBackend "iptables"/],
    [{ ipMasqBackend: 'x' }, 7, /^ipMasqBackend: 'x'/],
    [{ mtu: -1 }, 7, /^mtu: -1/],
    [{ ipMasq: 'yes' }, 6, /^ipMasq must be/],
  ] as const) {
    t.match((await call('ADD', 'a', fields)).json, { code, msg })
  }
  t.equal((await call('STATUS', 'a')).exitCode, 0)
  t.match((await call('STATUS', 'a', { ipam: {} })).json, { code: 7 })
  t.strictSame(await linksOf(host), ['uplink'])
})
