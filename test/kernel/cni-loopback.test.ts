import t from 'tap'
import { loopback } from '#cni/loopback/loopback.ts'
import { callVerb } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { TestNamespace } from '../helper/namespace.ts'

const config = { cniVersion: '1.0.0', name: 'lo', type: 'loopback' }

const call = (verb: string, netns: string, changes: object = {}) =>
  callVerb(loopback, { verb, config: { ...config, ...changes }, netns, ifname: 'lo' })

/** A pod whose loopback is down, as a runtime makes it. */
async function freshPod(): Promise<TestNamespace> {
  const pod = await TestNamespace.create('pod')
  await pod.ip('link set lo down')
  return pod
}

const interfaces = (pod: TestNamespace) => [
  { name: 'lo', mac: '00:00:00:00:00:00', sandbox: pod.path },
]

t.test('ADD sets lo up and says what it has', async t => {
  await using pod = await freshPod()
  t.same((await call('ADD', pod.path)).json, {
    cniVersion: '1.0.0',
    interfaces: interfaces(pod),
    ips: [
      { address: '127.0.0.1/8', interface: 0 },
      { address: '::1/128', interface: 0 },
    ],
  })
  t.match(await pod.ip('link show lo'), ',UP')
})

t.test('a configuration of version 0.3.1 gets addresses with their version', async t => {
  await using pod = await freshPod()
  t.same((await call('ADD', pod.path, { cniVersion: '0.3.1' })).json, {
    cniVersion: '0.3.1',
    interfaces: interfaces(pod),
    ips: [
      { version: '4', address: '127.0.0.1/8', interface: 0 },
      { version: '6', address: '::1/128', interface: 0 },
    ],
    dns: {},
  })
})

t.test('where IPv6 is off there is no ::1', async t => {
  await using pod = await freshPod()
  await pod.exec('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1'])
  const { json } = await call('ADD', pod.path)
  t.same(json['ips'], [{ address: '127.0.0.1/8', interface: 0 }])
})

t.test('a previous result is passed on', async t => {
  await using pod = await freshPod()
  const prevResult = {
    cniVersion: '1.0.0',
    interfaces: [{ name: 'eth0', sandbox: pod.path }],
    ips: [{ address: '10.0.0.5/24', interface: 0 }],
  }
  t.same((await call('ADD', pod.path, { prevResult })).json, prevResult)
})

t.test('another address on lo is an error that names it', async t => {
  await using pod = await freshPod()
  await pod.ip('address add 192.0.2.1/32 dev lo')
  t.match(await call('ADD', pod.path), { exitCode: 1, json: { code: 7, msg: /192\.0\.2\.1\/32/ } })
})

t.test('CHECK wants lo up; DEL sets it down, again and again', async t => {
  await using pod = await freshPod()
  const { json: prevResult } = await call('ADD', pod.path)
  t.equal((await call('CHECK', pod.path, { prevResult })).exitCode, 0)
  for (const _ of [1, 2]) t.equal((await call('DEL', pod.path)).exitCode, 0)
  t.match(await call('CHECK', pod.path, { prevResult }), { json: { msg: 'lo is down' } })
})

t.test('DEL without a namespace succeeds, and leaves the host alone', async t => {
  await using host = await enterHost()
  const env = { CNI_NETNS_OVERRIDE: '1' }
  for (const netns of ['', '/run/netns/gone', '/etc/passwd', host.path]) {
    const answer = await callVerb(loopback, { verb: 'DEL', config, netns, ifname: 'lo', env })
    t.same(answer, { exitCode: 0, json: {}, stderr: '' }, netns)
  }
  t.match(await host.ip('link show lo'), ',UP')
})

t.test('the host as container is refused', async t => {
  await using host = await enterHost()
  t.match(await call('ADD', host.path), { exitCode: 1, json: { code: 8 } })
})
