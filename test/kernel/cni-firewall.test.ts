import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { firewall } from '#cni/firewall/firewall.ts'
import { callBridge, callVerb, type PluginCall } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, hostLocal } from '../helper/cni-network.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'
import { ask, serve } from '../helper/traffic.ts'

/** Pods a and b on a bridge and c on another one, a machine outside, and a host that forwards nothing by itself. */
async function setup(stack: AsyncDisposableStack, dataDir: string) {
  const host = stack.use(await enterHost())
  const outside = stack.use(await TestNamespace.create('outside'))
  await joinNamespaces(
    { namespace: host, link: 'uplink', addresses: ['192.0.2.10/24', 'fd00:2::10/64'] },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24', 'fd00:2::99/64'] },
  )
  await outside.ip('route add default via 192.0.2.10')
  await outside.ip('route add default via fd00:2::10')
  for (const program of ['iptables', 'ip6tables']) {
    await host.exec(program, ['-P', 'FORWARD', 'DROP'])
  }
  const networks = {
    net: bridgeConfig(dataDir),
    other: bridgeConfig(dataDir, {
      name: 'other',
      bridge: 'cni1',
      ipam: hostLocal(dataDir, ['10.33.0.0/24', 'fd00:33::/64']),
    }),
  }
  const pods: Record<string, TestNamespace> = {}
  const results: Record<string, object> = {}
  for (const id of ['a', 'b', 'c']) {
    const pod = stack.use(await TestNamespace.create(id))
    const network = id === 'c' ? networks.other : networks.net
    pods[id] = pod
    results[id] = (await callBridge('ADD', network, pod.path, { containerId: id })).json
  }
  const call = (verb: string, id: string, fields: object = {}, rest: Partial<PluginCall> = {}) =>
    callVerb(firewall, {
      verb,
      containerId: id,
      netns: pods[id]?.path ?? '',
      config: {
        cniVersion: '1.1.0',
        name: id === 'c' ? 'other' : 'net',
        type: 'firewall',
        backend: 'iptables',
        prevResult: results[id],
        ...fields,
      },
      ...rest,
    })
  const { a, b, c } = pods as { a: TestNamespace; b: TestNamespace; c: TestNamespace }
  return { host, outside, a, b, c, call, results }
}

const rulesOf = async (host: TestNamespace) => {
  const saves = ['iptables-save', 'ip6tables-save'].map(async program => {
    return (await host.exec(program, ['-t', 'filter'])).stdout
  })
  return (await Promise.all(saves))
    .join('')
    .split('\n')
    .filter(line => line.startsWith('-A'))
}

const reaches = async (from: TestNamespace, host: string) => {
  const [answer] = await ask(from, { protocol: 'tcp', host, port: 80 })
  return answer?.includes(' ') === true
}

t.test('a container gets out of a host that drops, and nobody in', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, outside, a, call } = await setup(stack, t.testdir())
  await serve(outside, 'outside', [80])
  await serve(a, 'a', [80])
  t.notOk(await reaches(a, '192.0.2.99'), 'before')
  for (const _ of ['once', 'twice']) {
    const { exitCode, json } = await call('ADD', 'a')
    t.equal(exitCode, 0, JSON.stringify(json))
  }
  t.equal((await rulesOf(host)).length, 8, 'per family two jumps and two rules')
  t.ok(await reaches(a, '192.0.2.99'))
  t.ok(await reaches(a, 'fd00:2::99'))
  t.notOk(await reaches(outside, '10.22.0.2'), 'connections from outside')
  t.equal((await call('CHECK', 'a')).exitCode, 0)
  await host.exec('iptables', ['-I', 'CNI-ADMIN', '-d', '192.0.2.99', '-j', 'DROP'])
  t.notOk(await reaches(a, '192.0.2.99'), 'the administrator’s rules come first')
  await host.exec('ip6tables', ['-F', 'CNI-FORWARD'])
  t.match((await call('CHECK', 'a')).json, {
    code: 100,
    msg: /rule CNI-FORWARD .*admin.* is missing/,
  })
  t.equal((await call('DEL', 'a', { prevResult: null }, { netns: '' })).exitCode, 0)
  t.notMatch((await rulesOf(host)).join('\n'), /10\.22\.0\.2|fd00:22::2/)
  t.match(
    (await rulesOf(host)).join('\n'),
    /CNI-ADMIN -d 192\.0\.2\.99/,
    'the administrator’s stay',
  )
  await host.exec('iptables', ['-F'])
  t.equal((await call('DEL', 'a')).exitCode, 0, 'twice, and after a flush')
})

t.test(
  'same-bridge: neighbours talk, other bridges do not, isolated: nor do neighbours',
  async t => {
    await using stack = new AsyncDisposableStack()
    const { outside, a, b, c, call } = await setup(stack, t.testdir())
    await serve(outside, 'outside', [80])
    await serve(b, 'b', [80])
    await serve(c, 'c', [80])
    for (const id of ['a', 'b', 'c']) await call('ADD', id)
    // The answers of c may pass, and what a sends too: two bridges reach each other.
    t.ok(await reaches(a, '10.33.0.2'), 'open')
    for (const id of ['a', 'b', 'c']) {
      t.equal((await call('ADD', id, { ingressPolicy: 'same-bridge' })).exitCode, 0)
    }
    t.notOk(await reaches(a, '10.33.0.2'), 'another bridge')
    t.notOk(await reaches(a, 'fd00:33::2'), 'another bridge, IPv6')
    t.ok(await reaches(a, '10.22.0.3'), 'a neighbour')
    t.ok(await reaches(a, '192.0.2.99'), 'outside')
    t.equal((await call('CHECK', 'a', { ingressPolicy: 'same-bridge' })).exitCode, 0)
    for (const id of ['a', 'b']) {
      t.equal((await call('ADD', id, { ingressPolicy: 'isolated' })).exitCode, 0)
    }
    t.notOk(await reaches(a, '10.22.0.3'), 'an isolated neighbour')
    t.ok(await reaches(a, '192.0.2.99'), 'outside')
    t.equal((await call('CHECK', 'a', { ingressPolicy: 'isolated' })).exitCode, 0)
  },
)

t.test('GC removes what belongs to no valid attachment of the network', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call } = await setup(stack, t.testdir())
  for (const id of ['a', 'b', 'c']) await call('ADD', id)
  await call('GC', 'a')
  t.match((await rulesOf(host)).join('\n'), /10\.22\.0\.2/, 'without a list nothing')
  const valid = [{ containerID: 'b', ifname: 'eth0' }]
  t.equal((await call('GC', 'a', { 'cni.dev/valid-attachments': valid })).exitCode, 0)
  const left = (await rulesOf(host)).join('\n')
  t.notMatch(left, /10\.22\.0\.2|fd00:22::2/)
  t.match(left, /10\.22\.0\.3/)
  t.match(left, /10\.33\.0\.2/)
})

t.test('firewalld: addresses become sources of the zone', async t => {
  await using stack = new AsyncDisposableStack()
  // A stand-in for its program: what is told to it, and what it keeps.
  const folder = t.testdir({
    'firewall-cmd': `#!/bin/sh
cd ${'"$(dirname "$0")"'}
echo "$*" >> log
case "$*" in
*--add-source=*) touch "\${2#--add-source=}" ;;
*--remove-source=*) rm "\${2#--remove-source=}" ;;
*--query-source=*) test -e "\${2#--query-source=}" ;;
esac
`,
    sources: {},
  })
  chmodSync(join(folder, 'firewall-cmd'), 0o755)
  const { host, call } = await setup(stack, join(folder, 'data'))
  const path = process.env['PATH']
  process.env['PATH'] = `${folder}:${path}`
  t.teardown(() => {
    process.env['PATH'] = path
  })
  const fields = { backend: '', firewalldZone: 'pods' }
  t.equal((await call('ADD', 'a', fields)).exitCode, 0)
  t.equal((await call('CHECK', 'a', fields)).exitCode, 0)
  t.equal((await call('STATUS', 'a', fields)).exitCode, 0)
  t.equal((await call('DEL', 'a', fields)).exitCode, 0)
  t.equal((await call('DEL', 'a', fields)).exitCode, 0, 'twice')
  t.match((await call('CHECK', 'a', fields)).json, {
    code: 100,
    msg: /10\.22\.0\.2 is not in zone pods/,
  })
  const log = readFileSync(join(folder, 'log'), 'utf8')
  t.match(log, '--state\n--zone=pods --add-source=10.22.0.2\n--zone=pods --add-source=fd00:22::2\n')
  t.match(log, '--zone=pods --remove-source=fd00:22::2\n')
  t.strictSame(await rulesOf(host), [], 'iptables is left alone')
})

t.test('wrong calls have their codes', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, call, results } = await setup(stack, t.testdir())
  t.match((await call('ADD', 'a', { prevResult: null })).json, { code: 7, msg: /chained plugin/ })
  t.match((await call('ADD', 'a', { ingressPolicy: 'x' })).json, { code: 7 })
  t.equal((await call('DEL', 'a', { ingressPolicy: 'x' })).exitCode, 0, 'DEL is not kept by it')
  const none = { ...results['a'], ips: [], routes: [] }
  t.match((await call('ADD', 'a', { prevResult: none })).json, { interfaces: [{}, {}, {}] })
  t.equal((await call('STATUS', 'a')).exitCode, 0)
  t.strictSame(await rulesOf(host), [])
})
