import { join } from 'node:path'
import t from 'tap'
import { bridge } from '#cni/bridge/bridge.ts'
import { exec } from '#linux/exec.ts'
import { callVerb, environmentOf, REFERENCE_PLUGINS } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, echo, leasesIn, linksOf } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

t.test('our bridge works with the reference host-local', async t => {
  await using host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const dataDir = t.testdir()
  const config = bridgeConfig(dataDir, { ipMasq: true })
  const call = (verb: string, more: object = {}) =>
    callVerb(bridge, { verb, config: { ...config, ...more }, netns: pod.path }, 'reference')
  const { json, exitCode } = await call('ADD')
  t.equal(exitCode, 0, JSON.stringify(json))
  t.match(json, { ips: [{ address: '10.22.0.2/24', interface: 2 }, { address: 'fd00:22::2/64' }] })
  t.equal(await echo(pod, host, '10.22.0.1'), '10.22.0.2 hello')
  t.equal((await call('CHECK', { prevResult: json })).exitCode, 0)
  t.equal((await call('DEL', { prevResult: json })).exitCode, 0)
  t.same(leasesIn(dataDir), [])
})

t.test('what we refuse with the reference host-local has its code and words', async t => {
  await using _host = await enterHost()
  await using pod = await TestNamespace.create('pod')
  const ipam = { type: 'host-local', dataDir: t.testdir(), subnet: '10.22.0.1/24' }
  const config = bridgeConfig('', { ipam })
  const { exitCode, json } = await callVerb(
    bridge,
    { verb: 'ADD', config, netns: pod.path },
    'reference',
  )
  t.equal(exitCode, 1)
  t.match(json, { msg: /host-local: .*Network has host bits set/ })
})

t.test('our bridge and the reference bridge share a bridge', async t => {
  await using host = await enterHost()
  await using ours = await TestNamespace.create('ours')
  await using theirs = await TestNamespace.create('theirs')
  const dataDir = t.testdir()
  const config = bridgeConfig(dataDir)
  const reference = async (verb: string) => {
    const call = { verb, config, netns: theirs.path, containerId: 'theirs' }
    await exec(join(REFERENCE_PLUGINS, 'bridge'), [], {
      input: JSON.stringify(config),
      env: environmentOf(call),
    })
  }
  const own = (verb: string) =>
    callVerb(bridge, { verb, config, netns: ours.path, containerId: 'ours' })
  t.equal((await own('ADD')).exitCode, 0)
  await reference('ADD')
  t.equal(await echo(ours, theirs, '10.22.0.3'), '10.22.0.2 hello')
  await reference('DEL')
  t.equal(await echo(ours, host, '10.22.0.1'), '10.22.0.2 hello')
  t.equal((await own('DEL')).exitCode, 0)
  t.same(await linksOf(host), ['cni0'])
  t.same(leasesIn(dataDir), [])
})
