import t from 'tap'
import { callBridge } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

const nothing = { exitCode: 0, json: {}, stderr: '' }
const rules = async (host: TestNamespace) => (await host.exec('nft', ['list', 'ruleset'])).stdout

/** Do packets of the pod reach this address? */
async function reaches(pod: TestNamespace, address: string): Promise<boolean> {
  try {
    await pod.exec('ping', ['-c', '1', '-W', '1', address])
    return true
  } catch {
    return false
  }
}

t.test('with macspoofchk only frames with the own MAC leave the container', async t => {
  await using host = await enterHost()
  await using a = await TestNamespace.create('a')
  await using b = await TestNamespace.create('b')
  const config = bridgeConfig(t.testdir(), { cniVersion: '1.1.0', macspoofchk: true })
  const added = await callBridge('ADD', config, a.path, { containerId: 'a' })
  t.equal(added.exitCode, 0)
  t.equal((await callBridge('ADD', config, b.path, { containerId: 'b' })).exitCode, 0)
  t.ok(await reaches(a, '10.22.0.1'))
  t.ok(await reaches(a, 'fd00:22::3'))

  await b.ip('link set eth0 address 02:00:00:00:00:99')
  t.notOk(await reaches(b, '10.22.0.1'), 'ARP and IPv4 with another MAC are dropped')
  t.notOk(await reaches(b, 'fd00:22::2'), 'IPv6 too')
  t.ok(await reaches(a, '10.22.0.1'), 'the other container goes on')

  const check = { ...config, prevResult: added.json }
  t.same(await callBridge('CHECK', check, a.path, { containerId: 'a' }), nothing)
  await host.exec('nft', ['flush', 'set', 'bridge', 'nodeplane_cni', 'guarded'])
  t.match(await callBridge('CHECK', check, a.path, { containerId: 'a' }), {
    exitCode: 1,
    json: { msg: /check of source MACs is missing/ },
  })

  t.same(await callBridge('DEL', config, '', { containerId: 'a' }), nothing)
  t.notMatch(await rules(host), 'net a eth0')
  t.match(await rules(host), 'net b eth0')
  t.same(await callBridge('GC', { ...config, 'cni.dev/valid-attachments': [] }, ''), nothing)
  t.notMatch(await rules(host), 'net b eth0')
})

t.test('a layer-2 container is guarded too, and a failed ADD leaves no guard', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const config = bridgeConfig(t.testdir(), { macspoofchk: true, isDefaultGateway: false, ipam: {} })
  t.equal((await callBridge('ADD', config, pod.path)).exitCode, 0)
  t.match(await rules(host), 'container eth0')
  t.same(await callBridge('DEL', config, pod.path), nothing)
  t.notMatch(await rules(host), 'container eth0')
  const failing = { ...config, ipam: { type: 'nosuch' } }
  t.equal((await callBridge('ADD', failing, pod.path)).exitCode, 1)
  t.notMatch(await rules(host), 'container eth0')
  t.same(await linksOf(pod), [])
})

t.test("DEL removes the reference's guard of the port", async t => {
  await using host = await enterHost()
  const config = bridgeConfig(t.testdir(), { macspoofchk: true })
  const own = 'cni-br-iface-container-eth0'
  const input = `table bridge nat {
    chain ${own}-mac { ether saddr 02:00:00:00:00:01 return comment "macspoofchk-container-eth0"; drop comment "macspoofchk-container-eth0"; }
    chain ${own} { jump ${own}-mac comment "macspoofchk-container-eth0"; }
    chain PREROUTING { type filter hook prerouting priority -300; iifname "veth7" jump ${own} comment "macspoofchk-container-eth0"; }
  }
`
  await host.exec('nft', ['-f', '-'], { input })
  t.same(await callBridge('DEL', config, ''), nothing)
  t.notMatch(await rules(host), 'container-eth0')
})
