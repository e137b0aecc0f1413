import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseNftTable } from '#linux/nft-listing.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { cleanup, killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, load, serve } from '../helper/traffic.ts'
import { meaningOf } from '../proxy/nftables/meaning.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4, 6],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const tcp = { protocol: 'tcp', host: '10.96.0.1', port: 80 } as const
const tcp6 = { protocol: 'tcp', host: 'fd00:96::1', port: 80 } as const
const web = service({
  clusterIP: tcp.host,
  clusterIPs: [tcp.host, tcp6.host],
  ipFamilies: [4, 6],
})
const slicesOf = (...pods: readonly TestPod[]) => [
  slice({ name: 'web-4', endpoints: pods.map(({ ip4 }) => endpoint(ip4)) }),
  slice({ name: 'web-6', addressType: 'IPv6', endpoints: pods.map(({ ip6 }) => endpoint(ip6)) }),
]

function start(...pods: readonly TestPod[]): ProxyProcess {
  const proxy = new ProxyProcess(net.node, settings)
  proxy.set(web, ...slicesOf(...pods))
  proxy.sync()
  return proxy
}

/**
 * Puts a program `nft` before the real one: where the file `mode` says `fail`, `refuse` (the fifth line) or `hang`, runs
 * whose commands match the file `match` do so as long as it says so. And a library that is none, so that small changes need the program too.
 */
async function programs() {
  const folder = t.testdir({ mode: '', match: '', 'libnftables.so.1': 'no library' })
  const script = [
    '#!/bin/sh',
    'unset LD_LIBRARY_PATH',
    `input=${folder}/input-$$`,
    'cat > $input',
    `case "$(cat $input)" in *"$(cat ${folder}/match)"*)`,
    `  while grep -q hang ${folder}/mode; do sleep 0.05; done`,
    `  if grep -q fail ${folder}/mode; then echo "Error: out of luck" >&2; exit 1; fi`,
    `  if grep -q refuse ${folder}/mode; then echo "/dev/stdin:5:1-9: Error: Operation not supported" >&2; exit 1; fi`,
    'esac',
    'exec /usr/sbin/nft "$@" < $input',
    '',
  ].join('\n')
  const program = join(folder, 'nft')
  await writeFile(program, script)
  const set = async (mode: string, match = '') => {
    await writeFile(join(folder, 'match'), match)
    await writeFile(join(folder, 'mode'), mode)
    await chmod(program, mode === 'missing' ? 0o600 : 0o700)
  }
  const before = { PATH: process.env['PATH'], LD_LIBRARY_PATH: process.env['LD_LIBRARY_PATH'] }
  process.env['PATH'] = `${folder}:/usr/bin`
  process.env['LD_LIBRARY_PATH'] = folder
  return {
    set,
    [Symbol.dispose]() {
      process.env['PATH'] = before.PATH
      if (before.LD_LIBRARY_PATH === undefined) delete process.env['LD_LIBRARY_PATH']
      else process.env['LD_LIBRARY_PATH'] = before.LD_LIBRARY_PATH
    },
  }
}

t.test('nft does not work, or is missing: it is tried again until it does', async t => {
  using nft = await programs()
  for (const [mode, says] of [
    ['fail', /nft: out of luck|nft: exit status 1/],
    ['missing', /nft: cannot run/],
  ] as const) {
    await nft.set(mode)
    const proxy = start(podA)
    await eventually('a warning', () => proxy.log.some(line => says.test(line)))
    await nft.set('')
    await proxy.programmed()
    t.match(await ask(client.namespace, tcp), [/^a /])
    await nft.set(mode)
    proxy.set(...slicesOf(podB))
    await eventually('another warning', () => proxy.log.filter(line => says.test(line)).length > 1)
    t.match(await ask(client.namespace, tcp), [/^a /], 'the former rules stay')
    await nft.set('')
    await proxy.programmed()
    t.match(await ask(client.namespace, tcp), [/^b /])
    t.notOk(proxy.log.some(line => line.includes('changed by somebody else')))
    await proxy.stop('SIGTERM')
    await cleanup(net.node)
  }
})

t.test('a kernel that cannot take the rules ends the start, and leaves what is there', async t => {
  using nft = await programs()
  await nft.set('')
  const first = start(podA)
  await first.programmed()
  await first.stop('SIGTERM')
  await nft.set('refuse', 'table ip nodeplane-trial ')
  const proxy = start(podB)
  const ended = /Error: mode nftables: nft: Operation not supported: \S.*; needed are Linux 5\.9 /
  await eventually('its end', () => proxy.hasEnded && proxy.log.some(line => ended.test(line)))
  t.match(await ask(client.namespace, tcp), [/^a /])
  await nft.set('')
  await cleanup(net.node)
})

t.test('one family hangs: the other goes on', async t => {
  using nft = await programs()
  await nft.set('hang', 'table ip6 ')
  const proxy = start(podA)
  await proxy.programmed([4])
  proxy.set(...slicesOf(podB))
  await proxy.programmed([4])
  t.match(await ask(client.namespace, tcp), [/^b /])
  t.notMatch(await ask(client.namespace, tcp6), [/^b /])
  await nft.set('')
  await proxy.programmed()
  t.match(await ask(client.namespace, tcp6), [/^b /])
  await proxy.stop('SIGTERM')
})

/** What both tables mean, without the names that a run gives to things. */
async function meaning() {
  const of = async (family: string) => {
    const { stdout } = await net.node.exec('nft', ['-j', 'list', 'table', family, 'nodeplane'])
    return meaningOf(parseNftTable(stdout))
  }
  return [await of('ip'), await of('ip6')]
}

t.test('kill -9 at any moment: connections go on, the rules end up the same', async t => {
  await cleanup(net.node)
  const many = Array.from({ length: 300 }, (_, index) =>
    service({ name: `s${index}`, clusterIP: `10.97.${index >> 8}.${index & 255}` }),
  )
  let proxy = start(podA)
  await proxy.programmed()
  const running = await load(client.namespace, tcp)
  for (let round = 0; round < 10; round++) {
    proxy.set(...many.slice(0, 30 * round), ...slicesOf(...(round % 2 ? [podA] : [podA, podB])))
    // Somewhere between the first of them and some time after the last.
    await new Promise(resolve => setTimeout(resolve, Math.random() * 150))
    await proxy.stop('SIGKILL')
    proxy = start(...(round === 9 ? [podA] : [podB, podA]))
  }
  proxy.set(...many)
  await proxy.programmed()
  const outcomes = await running.stop()
  t.strictSame(
    outcomes.filter(outcome => !/^[ab] /.test(outcome)),
    [],
  )
  t.comment(`${outcomes.length} connections`)
  await proxy.stop('SIGTERM')
  const after = await meaning()
  await cleanup(net.node)
  proxy = start(podA)
  proxy.set(...many)
  await proxy.programmed()
  await proxy.stop('SIGTERM')
  t.strictSame(after, await meaning())
})

t.test('Services out of the ordinary', async t => {
  const proxy = start(podA)
  await proxy.programmed()
  const number = (name: string) => ({ 'kubernetes.io/service-name': name })
  const ports = Array.from({ length: 5000 }, (_, index) => ({
    name: `p${index}`,
    protocol: 'TCP' as const,
    port: 1000 + index,
  }))
  const pods = Array.from({ length: 5000 }, (_, index) => `10.245.${index >> 8}.${index & 255}`)
  const hostile = ['"; flush ruleset', '$(reboot)', '}\nflush ruleset\n', '../..', '\u0000', '@lb']
  proxy.set(
    // Slices come before their Services.
    slice({
      name: 'ports-4',
      labels: number('ports'),
      ports: ports.map(port => ({ ...port, port: 8080 })),
      endpoints: [endpoint(podB.ip4)],
    }),
    slice({ name: 'pods-4', labels: number('pods'), endpoints: pods.map(ip => endpoint(ip)) }),
    slice({ name: 'twin-4', labels: number('twin'), endpoints: [endpoint(podB.ip4)] }),
    service({ name: 'ports', clusterIP: '10.96.0.2', ports: ports.map(p => servicePort(p)) }),
    service({ name: 'pods', clusterIP: '10.96.0.3' }),
    // The same address and port as `web`, which sorts after it; the rules are the same whoever comes first.
    service({ name: 'twin', clusterIP: tcp.host }),
    ...hostile.map((text, index) =>
      service({
        name: `evil${index}${text}`,
        clusterIP: `10.96.1.${index}`,
        externalIPs: [text, `203.0.113.${index}`],
        loadBalancerSourceRanges: [text],
        ports: [servicePort({ name: text, nodePort: 31000 + index })],
      }),
    ),
    slice({
      name: 'evil',
      labels: number(`evil0${hostile[0]}`),
      endpoints: [{ ...endpoint(podA.ip4), addresses: hostile }],
    }),
  )
  await proxy.programmed()
  for (const port of [1000, 3500, 5999]) {
    t.match(await ask(client.namespace, { ...tcp, host: '10.96.0.2', port }), [/^b /])
  }
  t.match(await ask(client.namespace, tcp), [/^b /], 'the Service whose name sorts first')
  const { stdout } = await net.node.exec('nft', ['-j', 'list', 'table', 'ip', 'nodeplane'])
  const { elements } = parseNftTable(stdout)
  const ids = elements.get('vips')
  const id = ids?.get('10.96.0.3 . tcp . 80')
  t.equal(elements.get('lb')?.get(String(id)), 'goto lb-5000')
  for (const index of hostile.keys()) {
    t.ok(
      ids?.has(`203.0.113.${index} . tcp . 80`),
      `${JSON.stringify(hostile[index])} does no harm`,
    )
  }
  t.notOk(proxy.log.some(line => line.includes('sync failed')))

  // An odd number of changes.
  for (let round = 0; round < 101; round++) {
    proxy.set(
      slice({
        name: 'twin-4',
        labels: number('twin'),
        endpoints: [endpoint(round % 2 ? podB.ip4 : podA.ip4)],
      }),
    )
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  await proxy.programmed()
  t.match(await ask(client.namespace, tcp), [/^a /], 'after flapping 100 times a second')
  await proxy.stop('SIGTERM')
  await cleanup(net.node)
})
