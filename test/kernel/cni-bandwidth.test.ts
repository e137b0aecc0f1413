import t from 'tap'
import { bandwidth } from '#cni/bandwidth/bandwidth.ts'
import { callBridge, callVerb, type PluginCall } from '../helper/cni-call.ts'
import { callChain } from '../helper/cni-chain.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

/** A pod on a bridge of a host. */
async function setup(stack: AsyncDisposableStack, dataDir: string) {
  const host = stack.use(await enterHost())
  const pod = stack.use(await TestNamespace.create('pod'))
  const network = bridgeConfig(dataDir, { isDefaultGateway: false, isGateway: true })
  const { json: prevResult } = await callBridge('ADD', network, pod.path)
  const call = (verb: string, fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(bandwidth, {
      verb,
      netns: pod.path,
      config: { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', prevResult, ...fields },
      ...rest,
    })
  const hostEnd = (prevResult['interfaces'] as { name: string }[])[1]?.name as string
  return { host, pod, call, prevResult, hostEnd, network }
}

/** 1000 bytes a second after a burst of 10,000, of which as many may wait. */
const limits = { ingressRate: 8000, ingressBurst: 80_000, egressRate: 8000, egressBurst: 80_000 }

type Counters = { kind: string; root?: true; drops: number; packets: number; dev: string }

async function counters(host: TestNamespace, link: string): Promise<Counters> {
  const { stdout } = await host.exec('tc', ['-s', '-j', 'qdisc', 'show', 'dev', link])
  return (JSON.parse(stdout) as Counters[]).find(({ root }) => root) as Counters
}

/** Sends 60 datagrams of 1000 bytes. */
const flood = (from: TestNamespace, address: string) =>
  from.exec(process.execPath, ['-e', FLOOD, address])
const FLOOD = `const socket = require('node:dgram').createSocket('udp4')
let left = 60
const next = () => left-- > 0 ? socket.send(Buffer.alloc(972), 9, process.argv[1], next) : socket.close()
next()`

t.test('both directions are limited: of a flood only burst and queue pass', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod, call, hostEnd } = await setup(stack, t.testdir())
  const { exitCode, json } = await call('ADD', limits)
  t.equal(exitCode, 0, JSON.stringify(json))
  const [, , , ifb] = json['interfaces'] as { name: string; mac: string; sandbox?: string }[]
  t.match(ifb, { name: /^bwp[0-9a-f]{12}$/, mac: /^[0-9a-f:]{17}$/, sandbox: undefined })
  t.match(await call('CHECK', { ...limits, prevResult: json }), { exitCode: 0 })
  await flood(host, '10.22.0.2')
  await flood(pod, '10.22.0.1')
  for (const link of [hostEnd, ifb?.name as string]) {
    const { kind, drops, packets } = await counters(host, link)
    t.equal(kind, 'tbf')
    // 10 pass at once and 10 wait; a slow machine lets some more pass meanwhile.
    t.ok(drops > 20, `${link} dropped ${drops} of 60`)
    t.ok(packets > 0, `${link} let ${packets} pass`)
  }
  await host.exec('tc', ['qdisc', 'del', 'dev', hostEnd, 'root'])
  await host.exec('tc', [
    'qdisc',
    'change',
    'dev',
    ifb?.name as string,
    'root',
    'tbf',
    ...'rate 16kbit burst 9kb limit 9kb'.split(' '),
  ])
  t.match((await call('CHECK', { ...limits, prevResult: json })).json, {
    code: 100,
    msg: /^veth\w+: there is no token bucket; bwp\w+: rate is 2000, not 1000; .*limit is/,
  })
  t.equal((await call('DEL', limits)).exitCode, 0)
  t.notOk((await linksOf(host)).some(name => name.startsWith('bwp')))
  t.equal((await call('DEL')).exitCode, 0, 'twice, and without limits')
})

t.test('without limits nothing is touched, and prevResult is printed as it came', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call, prevResult, hostEnd } = await setup(stack, t.testdir())
  const { cniVersion: _, ...want } = prevResult
  t.match((await call('ADD', { runtimeConfig: { bandwidth: {} } })).json, want)
  t.equal((await counters(host, hostEnd)).kind, 'noqueue')
  t.equal((await call('CHECK')).exitCode, 0)
  t.equal((await call('ADD', { prevResult: null })).exitCode, 0, 'nor is it asked for')
})

t.test('the largest burst that runtimes send is set and found again', async t => {
  await using stack = new AsyncDisposableStack()
  const { call } = await setup(stack, t.testdir())
  for (const burst of [2 ** 32 - 1, (2 ** 32 - 1) * 8 - 1]) {
    const bandwidth = {
      ingressRate: 1_000_000,
      ingressBurst: burst,
      egressRate: 1e11,
      egressBurst: burst,
    }
    const { json } = await call('ADD', { runtimeConfig: { bandwidth } })
    t.match(await call('CHECK', { runtimeConfig: { bandwidth }, prevResult: json }), {
      exitCode: 0,
    })
  }
})

t.test('a repeated ADD changes the limits', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call } = await setup(stack, t.testdir())
  await call('ADD', { ...limits, egressRate: 16_000 })
  const { json } = await call('ADD', limits)
  t.equal((await call('CHECK', { ...limits, prevResult: json })).exitCode, 0)
  t.equal((await linksOf(host)).filter(name => name.startsWith('bwp')).length, 1)
})

t.test('a failed ADD leaves no limit', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call, hostEnd } = await setup(stack, t.testdir())
  // Something in the way of the ifb: its name is known from an ADD before.
  const { json } = await call('ADD', limits)
  const name = (json['interfaces'] as { name: string }[]).at(-1)?.name as string
  await call('DEL')
  await host.exec('tc', ['qdisc', 'del', 'dev', hostEnd, 'root'])
  await host.exec('tc', ['qdisc', 'del', 'dev', hostEnd, 'ingress'])
  await host.ip(`link add ${name} type bridge`)
  t.match((await call('ADD', limits)).json, { code: 999, msg: /is in the way: it is no ifb/ })
  t.equal((await counters(host, hostEnd)).kind, 'noqueue')
  t.ok((await linksOf(host)).includes(name), 'what is somebody else’s stays')
})

t.test('what cannot be limited is named', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, call, prevResult } = await setup(stack, t.testdir())
  const unnamed = { ...prevResult, interfaces: [], ips: [] }
  t.match((await call('ADD', { ...limits, prevResult: unnamed })).json, {
    code: 7,
    msg: /prevResult has no host interface veth/,
  })
  await pod.ip('link add net1 type veth peer name net2')
  t.match((await call('ADD', limits, { ifname: 'net1' })).json, { code: 7, msg: /net1 is no end/ })
  t.match((await call('ADD', { ...limits, prevResult: null })).json, { code: 7, msg: /chained/ })
})

t.test('DEL and GC find the ifb without namespace and result, and only their own', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod, call, prevResult, network } = await setup(stack, t.testdir())
  const ifbs = async () => (await linksOf(host)).filter(name => name.startsWith('bwp'))
  const second = await callBridge('ADD', network, pod.path, { ifname: 'eth1' })
  await call('ADD', limits)
  await call('ADD', { ...limits, prevResult: second.json }, { ifname: 'eth1' })
  t.equal((await ifbs()).length, 2, 'one for each interface')
  await call('DEL', { prevResult: null }, { netns: '' })
  t.equal((await ifbs()).length, 1)
  t.match(await call('CHECK', { ...limits, prevResult: second.json }, { ifname: 'eth1' }), {
    exitCode: 0,
  })
  await call('ADD', { ...limits, prevResult })
  const valid = [{ containerID: 'container', ifname: 'eth1' }]
  await call('GC', { 'cni.dev/valid-attachments': valid, name: 'other' })
  await call('GC')
  t.equal((await ifbs()).length, 2)
  await call('GC', { 'cni.dev/valid-attachments': valid })
  t.equal((await ifbs()).length, 1)
  t.match(await call('CHECK', { ...limits, prevResult: second.json }, { ifname: 'eth1' }), {
    exitCode: 0,
  })
})

t.test('the reference’s ifb goes when no other interface of the container uses it', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, pod, call, network } = await setup(stack, t.testdir())
  const chain = {
    netns: pod.path,
    ifname: 'eth1',
    plugins: [
      { ...network, type: 'bridge' },
      { type: 'bandwidth', reference: true, ...limits },
    ],
  }
  t.equal((await callChain('ADD', chain)).exitCode, 0)
  const ifbs = async () => (await linksOf(host)).filter(name => name.startsWith('bwp'))
  await call('DEL')
  t.equal((await ifbs()).length, 1, 'eth1 uses it')
  await call('DEL', {}, { ifname: 'eth1' })
  t.equal((await ifbs()).length, 0)
})
