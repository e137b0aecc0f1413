import t from 'tap'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, hostLocal } from '../helper/cni-network.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

const nothing = { exitCode: 0, json: {}, stderr: '' }

/** Two pods on a host, and a machine outside that knows the way to the pods. */
async function setup(stack: AsyncDisposableStack) {
  const host = stack.use(await enterHost())
  const outside = stack.use(await TestNamespace.create('outside'))
  const a = stack.use(await TestNamespace.create('a'))
  const b = stack.use(await TestNamespace.create('b'))
  await joinNamespaces(
    { namespace: host, link: 'uplink', addresses: ['192.0.2.10/24', 'fd00:2::10/64'] },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24', 'fd00:2::99/64'] },
  )
  await outside.ip('route add 10.22.0.0/16 via 192.0.2.10')
  await outside.ip('route add fd00:22::/64 via fd00:2::10')
  return { host, outside, a, b }
}

for (const ipMasqBackend of ['nftables', 'iptables']) {
  t.test(`by ${ipMasqBackend} only traffic out of the subnet has the node's address`, async t => {
    await using stack = new AsyncDisposableStack()
    const { outside, a, b, host } = await setup(stack)
    const config = bridgeConfig(t.testdir(), { ipMasq: true, ipMasqBackend })
    for (const [containerId, pod] of Object.entries({ a, b })) {
      t.equal((await callBridge('ADD', config, pod.path, { containerId })).exitCode, 0)
    }
    const paths = [
      { from: a, to: outside, address: '192.0.2.99', client: '192.0.2.10' },
      { from: a, to: outside, address: 'fd00:2::99', client: 'fd00:2::10' },
      { from: a, to: b, address: '10.22.0.3', client: '10.22.0.2' },
      { from: a, to: b, address: 'fd00:22::3', client: 'fd00:22::2' },
      { from: a, to: host, address: '192.0.2.10', client: '10.22.0.2' },
      { from: outside, to: a, address: '10.22.0.2', client: '192.0.2.99' },
      { from: outside, to: a, address: 'fd00:22::2', client: 'fd00:2::99' },
    ]
    for (const { from, to, address, client } of paths) {
      t.equal(await echo(from, to, address), `${client} hello`, address)
    }
  })
}

t.test('the iptables back end: CHECK, two interfaces of one container, DEL, GC', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir(), {
    cniVersion: '1.1.0',
    ipMasq: true,
    ipMasqBackend: 'iptables',
    isDefaultGateway: false,
    isGateway: true,
  })
  const saved = async () =>
    (await host.exec('iptables-save', [])).stdout + (await host.exec('ip6tables-save', [])).stdout
  const count = async (pattern: RegExp) => (await saved()).match(pattern)?.length ?? 0
  const added = await callBridge('ADD', config, pod.path)
  t.equal(added.exitCode, 0)
  t.equal((await callBridge('ADD', config, pod.path, { ifname: 'net1' })).exitCode, 0)
  t.equal(await count(/-j MASQUERADE/g), 4)
  const check = { ...config, prevResult: added.json }
  t.same(await callBridge('CHECK', check, pod.path), nothing)
  await host.exec('ip6tables', ['-t', 'nat', '-F', 'POSTROUTING'])
  t.match(await callBridge('CHECK', check, pod.path), {
    exitCode: 1,
    json: { msg: /IPv6 masquerading of fd00:22::2 is missing/ },
  })
  t.same(await callBridge('DEL', config, ''), nothing)
  t.equal(await count(/^-A POSTROUTING -s 10\.22\.0\.2/gm), 0)
  t.equal(await count(/^-A POSTROUTING -s 10\.22\.0\.3/gm), 1, 'the other interface keeps its own')
  t.same(await callBridge('GC', { ...config, 'cni.dev/valid-attachments': [] }, ''), nothing)
  t.equal(await count(/^-A POSTROUTING -s 10/gm), 0)

  t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
  const changed = { ...config, ipMasqBackend: 'nftables' }
  t.same(await callBridge('DEL', changed, pod.path), nothing)
  t.equal(await count(/^-A POSTROUTING -s/gm), 0, 'also when the configuration changed meanwhile')
})

t.test("without ipMasq the pod's address is seen outside", async t => {
  await using stack = new AsyncDisposableStack()
  const { outside, a } = await setup(stack)
  t.equal((await callBridge('ADD', bridgeConfig(t.testdir()), a.path)).exitCode, 0)
  t.equal(await echo(a, outside, '192.0.2.99'), '10.22.0.2 hello')
})

t.test("a former owner's rule does not stay with an address that was given to another", async t => {
  await using stack = new AsyncDisposableStack()
  const { host, a, b } = await setup(stack)
  const subnets = ['10.22.0.0/24']
  const first = bridgeConfig(t.testdirName, {
    ipMasq: true,
    ipam: hostLocal(`${t.testdir()}/1`, subnets),
  })
  t.equal((await callBridge('ADD', first, a.path, { containerId: 'a' })).exitCode, 0)
  const second = { ...first, ipam: hostLocal(`${t.testdirName}/2`, subnets) }
  t.equal((await callBridge('ADD', second, b.path, { containerId: 'b' })).exitCode, 0)
  const rules = async () => (await host.exec('nft', ['list', 'ruleset'])).stdout
  t.match(await rules(), /10\.22\.0\.2 comment "[0-9a-f-]+ net b eth0"/)
  t.equal((await callBridge('DEL', first, a.path, { containerId: 'a' })).exitCode, 0)
  t.match(await rules(), /10\.22\.0\.2 comment "[0-9a-f-]+ net b eth0"/, 'DEL of the former owner')
  t.equal((await callBridge('DEL', second, b.path, { containerId: 'b' })).exitCode, 0)
  t.notMatch(await rules(), 'comment')
})

t.test('after a flush of all rules the next ADD makes them anew', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, outside, a, b } = await setup(stack)
  const config = bridgeConfig(t.testdir(), { ipMasq: true })
  t.equal((await callBridge('ADD', config, a.path, { containerId: 'a' })).exitCode, 0)
  await host.exec('nft', ['flush', 'ruleset'])
  t.equal((await callBridge('ADD', config, b.path, { containerId: 'b' })).exitCode, 0)
  t.equal(await echo(b, outside, '192.0.2.99'), '192.0.2.10 hello')
})

t.test('STATUS is fine where nft works, and says 50 where it is missing', async t => {
  await using _host = await enterHost()
  const config = bridgeConfig(t.testdir(), { ipMasq: true, cniVersion: '1.1.0' })
  t.same(await callBridge('STATUS', config, ''), { exitCode: 0, json: {}, stderr: '' })
  const path = process.env['PATH']
  try {
    process.env['PATH'] = t.testdirName
    t.match(await callBridge('STATUS', config, ''), { exitCode: 1, json: { code: 50, msg: /nft/ } })
  } finally {
    process.env['PATH'] = path
  }
})
