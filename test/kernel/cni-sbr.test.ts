import t from 'tap'
import { sbr } from '#cni/sbr/sbr.ts'
import { callBridge, callVerb, type PluginCall } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, hostLocal } from '../helper/cni-network.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

/** A pod with a default route by eth0, and a second interface to another bridge, behind which there is a machine. */
async function setup(stack: AsyncDisposableStack, dataDir: string) {
  const host = stack.use(await enterHost())
  const pod = stack.use(await TestNamespace.create('pod'))
  const outside = stack.use(await TestNamespace.create('outside'))
  await joinNamespaces(
    { namespace: host, link: 'uplink', addresses: ['192.0.2.10/24', 'fd00:2::10/64'] },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24', 'fd00:2::99/64'] },
  )
  await outside.ip('route add 10.33.0.0/24 via 192.0.2.10')
  await outside.ip('route add fd00:33::/64 via fd00:2::10')
  await callBridge('ADD', bridgeConfig(dataDir), pod.path)
  // What goes out by the first interface comes to nothing: only the second can answer.
  await pod.ip('route change default via 10.22.0.9')
  const second = bridgeConfig(dataDir, {
    name: 'second',
    bridge: 'cni1',
    isDefaultGateway: false,
    isGateway: true,
    ipam: hostLocal(dataDir, ['10.33.0.0/24', 'fd00:33::/64']),
  })
  const { json: prevResult } = await callBridge('ADD', second, pod.path, { ifname: 'net1' })
  const call = (verb: string, fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(sbr, {
      verb,
      netns: pod.path,
      ifname: 'net1',
      config: { cniVersion: '1.1.0', name: 'second', type: 'sbr', prevResult, ...fields },
      ...rest,
    })
  const routes = async (table: string | number) =>
    (await pod.ip(`route show table ${table}`))
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean)
  const rules = async () =>
    (await pod.ip('rule')).split('\n').filter(line => /from (10|fd)/.test(line))
  return { pod, outside, call, routes, rules }
}

t.test('what comes from the interface’s address leaves by it', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, outside, call, routes, rules } = await setup(stack, t.testdir())
  const before = await routes('main')
  const { exitCode, json } = await call('ADD')
  t.equal(exitCode, 0, JSON.stringify(json))
  t.equal(await echo(outside, pod, '10.33.0.2'), '192.0.2.99 hello')
  t.equal(await echo(outside, pod, 'fd00:33::2'), 'fd00:2::99 hello')
  t.match(await routes(100), [/^default via 10\.33\.0\.1 dev net1/, /^10\.33\.0\.0\/24 dev net1/])
  t.match(
    await routes('main'),
    before.filter(line => !line.includes('net1')),
  )
  t.match(await rules(), [/from 10\.33\.0\.2 lookup 100/])
  t.equal((await call('CHECK')).exitCode, 0)
  await pod.ip('rule del from 10.33.0.2')
  await pod.ip('-6 route del default table 101')
  t.match((await call('CHECK')).json, {
    code: 100,
    msg: 'there is no rule for what comes from 10.33.0.2; table 101 for fd00:33::2 has no default route',
  })
  t.equal((await call('DEL', { prevResult: null })).exitCode, 0)
  t.strictSame(await rules(), [])
  t.strictSame((await pod.ip('-6 rule')).includes('fd00'), false)
  t.equal((await call('DEL')).exitCode, 0, 'twice')
  t.equal((await call('DEL', {}, { netns: '' })).exitCode, 0, 'with the namespace gone')
})

t.test('a table can be named, and rules go also when the interface has gone before', async t => {
  await using stack = new AsyncDisposableStack()
  const { pod, call, routes, rules } = await setup(stack, t.testdir())
  t.equal((await call('ADD', { table: 500 })).exitCode, 0)
  t.equal((await routes(500)).length, 2)
  await pod.ip('link del net1')
  t.equal((await call('DEL', { table: 500 })).exitCode, 0)
  t.strictSame(await rules(), [])
})

t.test('wrong calls have their codes, and change nothing', async t => {
  await using stack = new AsyncDisposableStack()
  const { call, rules } = await setup(stack, t.testdir())
  for (const [fields, code, msg] of [
    [{ prevResult: null }, 7, /chained plugin/],
    [{ prevResult: { ips: [] } }, 7, /prevResult has no address of net1/],
    [{ table: 254 }, 7, /^table: 254 is no table of its own/],
    [{ table: 'x' }, 6, /^table must be a whole number/],
    [{ addSourceHints: true }, 2, /^addSourceHints true: not supported/],
  ] as const) {
    t.match((await call('ADD', fields)).json, { code, msg })
  }
  t.match(
    (await call('ADD', { prevResult: { ips: [{ address: '10.1.0.1/8' }] } }, { ifname: 'net7' }))
      .json,
    { code: 4 },
  )
  t.match((await call('STATUS', { table: 0 })).json, { code: 7 })
  t.strictSame(await rules(), [])
})
