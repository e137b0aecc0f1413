import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tuning } from '#cni/tuning/tuning.ts'
import { callVerb, type PluginCall } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { TestNamespace } from '../helper/namespace.ts'

/** A container with an interface, without a plugin that made it. */
async function setup(stack: AsyncDisposableStack, folder: string) {
  stack.use(await enterHost())
  const pod = stack.use(await TestNamespace.create('pod'))
  await pod.ip('link add eth0 type veth peer name other')
  await pod.ip('link set eth0 address 02:00:00:00:00:01 mtu 1500 txqueuelen 1000 up')
  const dataDir = join(folder, 'tuning')
  const prevResult = {
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: pod.path }],
    ips: [{ address: '10.22.0.5/24', interface: 0 }],
  }
  const call = (verb: string, fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(tuning, {
      verb,
      netns: pod.path,
      config: { cniVersion: '1.1.0', name: 'net', type: 'tuning', dataDir, prevResult, ...fields },
      ...rest,
    })
  const sysctl = async (name: string) => (await pod.exec('sysctl', ['-n', name])).stdout.trim()
  const link = async () => JSON.parse(await pod.ip('-d -j link show eth0'))[0] as object
  return { pod, dataDir, call, sysctl, link }
}

const wish = {
  sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net.core.somaxconn': '777' },
  mac: '02:00:00:00:00:09',
  mtu: 1300,
  promisc: true,
  allmulti: true,
  txQLen: 55,
}

t.test('an interface is tuned, checked, and given back as it was', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, dataDir, call, sysctl, link } = await setup(stack, t.testdir())
  const before = await link()
  const { exitCode, json } = await call('ADD', wish)
  t.equal(exitCode, 0, JSON.stringify(json))
  t.match(json, {
    interfaces: [{ name: 'eth0', mac: wish.mac }],
    ips: [{ address: '10.22.0.5/24' }],
  })
  t.match(await link(), { address: wish.mac, mtu: 1300, txqlen: 55, promiscuity: 1, allmulti: 1 })
  t.equal(await sysctl('net.core.somaxconn'), '777')
  t.equal(await sysctl('net.ipv4.conf.eth0.arp_filter'), '1')
  t.match(JSON.parse(readFileSync(join(dataDir, 'container_eth0.json'), 'utf8')), {
    mac: '02:00:00:00:00:01',
    promisc: false,
    mtu: 1500,
    allmulti: false,
    txQLen: 1000,
  })
  t.match(await call('CHECK', wish), { exitCode: 0 })
  await pod.ip('link set eth0 mtu 1200')
  await pod.exec('sysctl', ['-qw', 'net.core.somaxconn=5'])
  t.match((await call('CHECK', wish)).json, {
    code: 100,
    msg: /sysctl net\.core\.somaxconn is 5, not 777; MTU of eth0 is 1200, not 1300/,
  })
  t.equal((await call('DEL', {}, {})).exitCode, 0)
  t.strictSame(await link(), before)
  t.strictSame(readdirSync(dataDir), [])
  t.equal((await call('DEL')).exitCode, 0, 'twice')
})

t.test('two tunings in one chain give back what was there before both', async t => {
  await using stack = new AsyncDisposableStack()
  const { call, link } = await setup(stack, t.testdir())
  await call('ADD', { mtu: 1400 })
  await call('ADD', { mtu: 1300, txQLen: 5 })
  t.match(await link(), { mtu: 1300, txqlen: 5 })
  await call('DEL')
  t.match(await link(), { mtu: 1500, txqlen: 1000 })
})

t.test('what the reference saved is given back too', async t => {
  await using stack = new AsyncDisposableStack()
  const { dataDir, call, link } = await setup(stack, t.testdir())
  mkdirSync(dataDir)
  const saved = { mac: '02:00:00:00:00:07', promisc: false, mtu: 1450, allmulti: false, txQLen: 99 }
  writeFileSync(join(dataDir, 'container_eth0.json'), JSON.stringify(saved, undefined, 1))
  t.equal((await call('DEL')).exitCode, 0)
  t.match(await link(), { address: saved.mac, mtu: 1450, txqlen: 99 })
  writeFileSync(join(dataDir, 'container_eth0.json'), '{damaged')
  t.equal((await call('DEL')).exitCode, 0)
  t.strictSame(readdirSync(dataDir), [])
})

t.test('a failed ADD leaves everything as it was', async t => {
  await using stack = new AsyncDisposableStack()
  const { dataDir, call, sysctl, link } = await setup(stack, t.testdir())
  const [before, somaxconn] = [await link(), await sysctl('net.core.somaxconn')]
  const sysctls = { 'net.core.somaxconn': '777', 'net.core.no_such_thing': '1' }
  t.match((await call('ADD', { ...wish, sysctl: sysctls })).json, {
    code: 7,
    msg: /^sysctl\.net\.core\.no_such_thing: .*ENOENT/,
  })
  t.match((await call('ADD', { ...wish, mtu: 10 })).json, { code: 999, msg: /change link/ })
  t.strictSame(await link(), before)
  t.equal(await sysctl('net.core.somaxconn'), somaxconn)
  t.strictSame(readdirSync(dataDir), [])
  t.match((await call('ADD', wish, { ifname: 'net1' })).json, { code: 4, msg: /no interface net1/ })
  t.match((await call('ADD', { ...wish, prevResult: null })).json, {
    code: 7,
    msg: /chained plugin/,
  })
})

t.test('what was saved goes with its namespace, and by GC', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, dataDir, call } = await setup(stack, t.testdir())
  await call('ADD', { mtu: 1400 })
  t.equal((await call('DEL', {}, { netns: '/run/netns/gone' })).exitCode, 0)
  t.strictSame(readdirSync(dataDir), [])
  for (const containerId of ['a', 'b']) await call('ADD', { mtu: 1400 }, { containerId })
  await call('ADD', { mtu: 1400, name: 'other' }, { containerId: 'c', netns: pod.path })
  await call('GC')
  t.equal(readdirSync(dataDir).length, 3, 'without a list nothing')
  const valid = [{ containerID: 'b', ifname: 'eth0' }]
  t.equal((await call('GC', { 'cni.dev/valid-attachments': valid })).exitCode, 0)
  t.strictSame(readdirSync(dataDir).sort(), ['b_eth0.json', 'c_eth0.json'])
})

t.test('STATUS reads the configuration', async t => {
  await using stack = new AsyncDisposableStack()
  const { call } = await setup(stack, t.testdir())
  t.equal((await call('STATUS', wish)).exitCode, 0)
  t.match((await call('STATUS', { sysctl: { 'vm.overcommit': '1' } })).json, { code: 7 })
})
