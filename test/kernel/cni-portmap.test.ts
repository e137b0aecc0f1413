import t from 'tap'
import { portmap } from '#cni/portmap/portmap.ts'
import { callBridge, callVerb } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig } from '../helper/cni-network.ts'
import { eventually } from '../helper/eventually.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

type Call = {
  readonly mappings?: readonly object[]
  readonly containerId?: string
  readonly ifname?: string
}

/** Two pods on a bridge of a host, and a machine outside. */
async function setup(stack: AsyncDisposableStack, dataDir: string, backend: string) {
  const host = stack.use(await enterHost())
  const outside = stack.use(await TestNamespace.create('outside'))
  const a = stack.use(await TestNamespace.create('a'))
  const b = stack.use(await TestNamespace.create('b'))
  await joinNamespaces(
    {
      namespace: host,
      link: 'uplink',
      addresses: ['192.0.2.10/24', '192.0.2.11/24', 'fd00:2::10/64'],
    },
    { namespace: outside, link: 'eth0', addresses: ['192.0.2.99/24', 'fd00:2::99/64'] },
  )
  await host.ip('link set lo up')
  const network = bridgeConfig(dataDir, { ipMasq: true, hairpinMode: true })
  const results: Record<string, unknown> = {}
  for (const [containerId, pod] of Object.entries({ a, b })) {
    const { exitCode, json } = await callBridge('ADD', network, pod.path, { containerId })
    t.equal(exitCode, 0)
    results[containerId] = json
  }
  const map = (verb: string, { mappings = [], containerId = 'a', ...rest }: Call, changes = {}) =>
    callVerb(portmap, {
      verb,
      containerId,
      netns: (containerId === 'a' ? a : b).path,
      ...rest,
      config: {
        cniVersion: '1.0.0',
        name: 'net',
        type: 'portmap',
        backend,
        runtimeConfig: { portMappings: mappings },
        prevResult: results[containerId],
        ...changes,
      },
    })
  return { host, outside, a, b, map }
}

/** A server in a namespace that says who asks it; over TCP and UDP, both families. */
function serve(namespace: TestNamespace, port: number): AsyncDisposable {
  const server = namespace.spawn(process.execPath, ['-e', SERVER, String(port)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return {
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL')
    },
  }
}
const SERVER = `const port = Number(process.argv[1])
const clean = address => address.replace(/^::ffff:/, '')
require('node:net').createServer(socket => {
  socket.on('error', () => {})
  socket.end(clean(socket.remoteAddress))
}).listen(port, '::')
const udp = require('node:dgram').createSocket('udp6')
udp.on('message', (_, { address, port }) => udp.send(clean(address), port, address))
udp.bind(port)`

/** What the server behind an address says; `nothing` when it cannot be reached within a second. */
async function ask(
  from: TestNamespace,
  address: string,
  port: number,
  protocol = 'tcp',
): Promise<string> {
  const args = ['-e', CLIENT, address, String(port), protocol]
  return (await from.exec(process.execPath, args)).stdout
}
const CLIENT = `const [address, port, protocol] = process.argv.slice(1)
const end = text => { process.stdout.write(text); process.exit() }
setTimeout(() => end('nothing'), 1000)
if (protocol === 'tcp') {
  const socket = require('node:net').connect(port, address)
  socket.on('data', data => end(String(data)))
  socket.on('error', () => end('nothing'))
} else {
  const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', data => end(String(data)))
  socket.on('error', () => end('nothing'))
  socket.bind(5555, () => socket.send('?', port, address))
}`

const ruleset = async (host: TestNamespace) =>
  (await host.exec('nft', ['-s', 'list', 'ruleset'])).stdout

for (const backend of ['nftables', 'iptables']) {
  t.test(`${backend}: who reaches a mapped port, and whom the container sees`, async t => {
    await using stack = new AsyncDisposableStack()
    const { host, outside, a, b, map } = await setup(stack, t.testdir(), backend)
    stack.use(serve(a, 80))
    await eventually('the server', async () => (await ask(b, '10.22.0.2', 80)) === '10.22.0.3')
    const mappings = [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { HostPort: 8081, ContainerPort: 80, Protocol: 'TCP', HostIP: '192.0.2.11' },
      { hostPort: 8080, containerPort: 80, protocol: 'udp' },
      { hostPort: 8082, containerPort: 80, protocol: 'tcp', hostIP: 'fd00:2::10' },
    ]
    const before = await ruleset(host)
    const added = await map('ADD', { mappings })
    t.equal(added.exitCode, 0, JSON.stringify(added.json))
    const paths = [
      {
        title: 'from outside, its own address',
        from: outside,
        to: '192.0.2.10',
        sees: '192.0.2.99',
      },
      { title: 'IPv6', from: outside, to: 'fd00:2::10', sees: 'fd00:2::99' },
      { title: 'UDP', from: outside, to: '192.0.2.10', protocol: 'udp', sees: '192.0.2.99' },
      { title: 'a neighbour, hidden', from: b, to: '192.0.2.10', sees: '10.22.0.1' },
      { title: 'itself, hidden', from: a, to: '192.0.2.10', sees: '10.22.0.1' },
      { title: 'itself by IPv6, hidden', from: a, to: 'fd00:2::10', sees: 'fd00:22::1' },
      { title: 'the host by its address', from: host, to: '192.0.2.10', sees: '192.0.2.10' },
      { title: 'the host by loopback, hidden', from: host, to: '127.0.0.1', sees: '10.22.0.1' },
      {
        title: 'only at its host IP',
        from: outside,
        to: '192.0.2.11',
        port: 8081,
        sees: '192.0.2.99',
      },
      { title: 'not at another one', from: outside, to: '192.0.2.10', port: 8081, sees: 'nothing' },
      {
        title: 'a host IP of IPv6',
        from: outside,
        to: 'fd00:2::10',
        port: 8082,
        sees: 'fd00:2::99',
      },
      { title: 'is none of IPv4', from: outside, to: '192.0.2.10', port: 8082, sees: 'nothing' },
      { title: 'not on a foreign address', from: a, to: '192.0.2.99', sees: 'nothing' },
    ]
    // The links' IPv6 addresses are not usable at once.
    await eventually('IPv6', async () => (await ask(outside, 'fd00:2::10', 8080)) !== 'nothing')
    for (const { title, from, to, port = 8080, protocol, sees } of paths) {
      t.equal(await ask(from, to, port, protocol), sees, title)
    }
    t.match(await map('CHECK', { mappings }), { exitCode: 0 })
    t.match(await map('DEL', {}), { exitCode: 0 }, 'without mappings')
    t.match(await map('CHECK', { mappings }), { exitCode: 1, json: { code: 100 } })
    t.equal(await ask(outside, '192.0.2.10', 8080), 'nothing')
    const left = (await ruleset(host)).split('\n').filter(line => !before.includes(line))
    t.notMatch(
      left.join('\n'),
      /comment "[0-9a-f]+-|10\.22\.0\.2|fd00:22::2|CNI-DN/,
      'nothing names it',
    )
  })

  t.test(`${backend}: a second container with the same port waits for the first`, async t => {
    await using stack = new AsyncDisposableStack()
    const { outside, a, b, map } = await setup(stack, t.testdir(), backend)
    stack.use(serve(a, 80))
    stack.use(serve(b, 81))
    const mapping = { hostPort: 8080, protocol: 'tcp' }
    t.match(await map('ADD', { mappings: [{ ...mapping, containerPort: 80 }] }), { exitCode: 0 })
    const second = { mappings: [{ ...mapping, containerPort: 81 }], containerId: 'b' }
    t.match(await map('ADD', second), { exitCode: 0 })
    const works = async () => (await ask(outside, '192.0.2.10', 8080)) === '192.0.2.99'
    await eventually('the first', works)
    t.match(await map('DEL', {}), { exitCode: 0 })
    await eventually('the second', works)
    t.match(await map('CHECK', second), { exitCode: 0 })
  })

  t.test(
    `${backend}: a repeated ADD replaces, two interfaces do not disturb each other`,
    async t => {
      await using stack = new AsyncDisposableStack()
      const { host, outside, a, map } = await setup(stack, t.testdir(), backend)
      stack.use(serve(a, 80))
      const mappings = (hostPort: number) => [{ hostPort, containerPort: 80, protocol: 'tcp' }]
      for (const port of [8080, 8080, 8090]) {
        t.match(await map('ADD', { mappings: mappings(port) }), { exitCode: 0 })
      }
      await eventually(
        'the port',
        async () => (await ask(outside, '192.0.2.10', 8090)) !== 'nothing',
      )
      t.equal(await ask(outside, '192.0.2.10', 8080), 'nothing', 'the former mapping')
      t.match(await map('DEL', { ifname: 'net1' }), { exitCode: 0 })
      t.equal(await ask(outside, '192.0.2.10', 8090), '192.0.2.99')
      t.match(await map('GC', {}, { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] }), {
        exitCode: 0,
      })
      t.notMatch(await ruleset(host), /8090/)
    },
  )
}

t.test('conditions, masqAll and no snat', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, outside, a, b, map } = await setup(stack, t.testdir(), 'nftables')
  stack.use(serve(a, 80))
  const mappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const only = { conditionsV4: ['ip', 'saddr', '192.0.2.99'], masqAll: true }
  t.match(await map('ADD', { mappings }, only), { exitCode: 0 })
  await eventually('the port', async () => (await ask(outside, '192.0.2.10', 8080)) === '10.22.0.1')
  t.equal(await ask(host, '192.0.2.10', 8080), 'nothing', 'the condition does not hold')
  t.match(await map('ADD', { mappings }, { snat: false }), { exitCode: 0 })
  t.equal(await ask(outside, '192.0.2.10', 8080), '192.0.2.99')
  t.equal(await ask(host, '127.0.0.1', 8080), 'nothing', 'loopback needs snat')
  t.not(await ask(b, '192.0.2.10', 8080), '10.22.0.1', 'a neighbour is not hidden')
})

t.test(
  'a UDP client that was there before follows the mapping, and the container’s end',
  async t => {
    await using stack = new AsyncDisposableStack()
    const { outside, a, map } = await setup(stack, t.testdir(), 'nftables')
    stack.use(serve(a, 53))
    const mappings = [{ hostPort: 5300, containerPort: 53, protocol: 'udp' }]
    // The same client port each time: one conntrack entry.
    t.equal(await ask(outside, '192.0.2.10', 5300, 'udp'), 'nothing')
    t.match(await map('ADD', { mappings }), { exitCode: 0 })
    await eventually('an answer', async () => {
      return (await ask(outside, '192.0.2.10', 5300, 'udp')) === '192.0.2.99'
    })
    t.match(await map('DEL', { mappings }), { exitCode: 0 })
    t.equal(await ask(outside, '192.0.2.10', 5300, 'udp'), 'nothing')
  },
)

t.test('packets from the container to loopback of the host are dropped', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, a, map } = await setup(stack, t.testdir(), 'nftables')
  stack.use(serve(host, 9999))
  const mappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  t.match(await map('ADD', { mappings }), { exitCode: 0 })
  await a.exec('sysctl', ['-qw', 'net.ipv4.conf.eth0.route_localnet=1'])
  await a.ip('addr del 127.0.0.1/8 dev lo')
  await a.ip('route add 127.0.0.0/8 via 10.22.0.1 dev eth0')
  t.equal(await ask(a, '127.0.0.1', 9999), 'nothing')
})

t.test('wrong configurations are refused before anything is touched', async t => {
  await using stack = new AsyncDisposableStack()
  const { host, map } = await setup(stack, t.testdir(), 'nftables')
  const before = await ruleset(host)
  const good = [{ hostPort: 1, containerPort: 1, protocol: 'tcp' }]
  const cases = [
    {
      mappings: [{ hostPort: 0, containerPort: 80 }],
      want: /portMappings\[0\]\.hostPort: 0 is no port/,
    },
    { mappings: [{ hostPort: 1, containerPort: 70_000 }], want: /containerPort: 70000 is no port/ },
    { mappings: [{ hostPort: 1, containerPort: 1, protocol: 'icmp' }], want: /'icmp' is none of/ },
    {
      mappings: [{ hostPort: 1, containerPort: 1, hostIP: 'x' }],
      want: /'x' is not an IP address/,
    },
    { mappings: good, changes: { backend: 'ebpf' }, want: /neither iptables nor nftables/ },
    { mappings: good, changes: { externalSetMarkChain: 'X' }, want: /of iptables/ },
    { mappings: good, changes: { conditionsV4: ['ip; flush ruleset'] }, want: /no word of a rule/ },
    { mappings: good, changes: { prevResult: undefined }, want: /chained plugin/ },
  ]
  for (const { mappings, changes = {}, want } of cases) {
    t.match(await map('ADD', { mappings }, changes), { exitCode: 1, json: { code: 7, msg: want } })
  }
  t.equal(await ruleset(host), before)
})
