import t from 'tap'
import { vrf } from '#cni/vrf/vrf.ts'
import { callVerb, type PluginCall } from '../helper/cni-call.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

/** A container with two interfaces, each to another machine, both of which have the same addresses. */
async function setup(stack: AsyncDisposableStack) {
  const pod = stack.use(await TestNamespace.create('pod'))
  for (const [link, machine] of [
    ['eth0', 'one'],
    ['net1', 'two'],
  ] as const) {
    const other = stack.use(await TestNamespace.create(machine))
    await joinNamespaces(
      { namespace: pod, link, addresses: ['10.5.0.2/24', 'fd00:5::2/64'] },
      { namespace: other, link: 'eth0', addresses: ['10.5.0.1/24', 'fd00:5::1/64'] },
    )
    await other.ip('address add 192.0.2.1/32 dev lo')
    if (link === 'net1') await pod.ip('route add 192.0.2.0/24 via 10.5.0.1 dev net1')
  }
  const call = (verb: string, fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(vrf, {
      verb,
      netns: pod.path,
      ifname: 'net1',
      config: {
        cniVersion: '1.1.0',
        name: 'net',
        type: 'vrf',
        vrfname: 'red',
        prevResult: { ips: [{ address: '10.5.0.2/24' }] },
        ...fields,
      },
      ...rest,
    })
  return { pod, call }
}

const ping = (pod: TestNamespace, address: string) =>
  pod.exec('ping', ['-c', '1', '-W', '5', '-I', 'red', address]).then(
    () => true,
    () => false,
  )

t.test('vrf: an interface gets routes of its own, and keeps addresses and routes', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, call } = await setup(stack)
  const { exitCode, json } = await call('ADD', { table: 77 })
  t.equal(exitCode, 0, JSON.stringify(json))
  t.match(json, { ips: [{ address: '10.5.0.2/24' }] })
  t.match(await pod.ip('route show table 77'), /192\.0\.2\.0\/24 via 10\.5\.0\.1 dev net1/)
  t.match(await pod.ip('-6 address show dev net1'), /fd00:5::2\/64/)
  t.ok(await ping(pod, '192.0.2.1'), 'by the route that it had')
  t.ok(await ping(pod, 'fd00:5::1'))
  t.notMatch(await pod.ip('route show table main'), /net1/)
  t.equal((await call('CHECK', { table: 77 })).exitCode, 0)
  t.match((await call('CHECK', { table: 78 })).json, {
    code: 100,
    msg: 'VRF red has table 77, not 78',
  })
  t.match((await call('ADD')).json, { code: 7, msg: 'net1 belongs to red already' })
  t.match((await call('ADD', { table: 78 }, { ifname: 'eth0' })).json, {
    code: 7,
    msg: /has table 77/,
  })
  t.equal((await call('ADD', {}, { ifname: 'eth0' })).exitCode, 0, 'a second one')
  t.equal((await call('DEL')).exitCode, 0)
  t.match((await call('CHECK')).json, { code: 100, msg: 'net1 is not in VRF red' })
  t.match(await pod.ip('link show red'), /red/, 'it stays for the other')
  t.equal((await call('DEL', {}, { ifname: 'eth0' })).exitCode, 0)
  t.notMatch(await pod.ip('link'), /red/, 'it goes with the last')
  t.equal((await call('DEL')).exitCode, 0, 'twice')
  t.equal((await call('DEL', {}, { netns: '' })).exitCode, 0, 'with the namespace gone')
  t.equal((await call('DEL', { vrfname: '' })).exitCode, 0, 'of what ADD refuses')
})

t.test('vrf: a link of another kind is in the way', async t => {
  await using stack = new AsyncDisposableStack()
  const { call } = await setup(stack)
  t.match((await call('ADD', { vrfname: 'eth0' })).json, { code: 7, msg: /link eth0 is no VRF/ })
  t.match((await call('ADD', {}, { ifname: 'net7' })).json, { code: 4, msg: /no interface net7/ })
})
