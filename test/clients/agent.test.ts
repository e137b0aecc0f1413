import type { ChildProcess } from 'node:child_process'
import { rename } from 'node:fs/promises'
import t from 'tap'
import { AgentNode, corefile } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
const { config } = node
const { namespace } = node.client
await node.addService('web', '10.96.0.20')
await node.addService('echo', '10.96.0.21', 7000)

/** Lines typed into a connection, and what came back so far. */
class Conversation {
  readonly #child: ChildProcess
  heard = ''
  constructor(host: string) {
    this.#child = namespace.spawn('ncat', [host, '80'], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString()
    })
  }
  async say(word: string): Promise<void> {
    this.#child.stdin?.write(`${word}\n`)
    await eventually(`${word} to come back`, () => this.heard.includes(`${word}\n`))
  }
}

t.test('not ready, with a reason for each part, until there is a cluster', async t => {
  await rename(node.path('manifests'), node.path('later'))
  await using agent = AgentProcess.spawn(node.net.node, { config })
  const { status, body } = await eventually('the HTTP server', () => agent.get('/readyz'))
  t.equal(status, 503)
  t.match(body, /^cluster: not listed yet: Service, EndpointSlice, Node, ServiceCIDR, Namespace$/m)
  t.match(body, /^proxy: not in the kernel yet: the rules of IPv4 and IPv6$/m)
  t.match(body, /^dns: not started yet$/m)
  t.strictSame(await agent.get('/livez'), { status: 200, body: 'ok\n' })
  t.notMatch(await node.rules(), 'nodeplane')

  await rename(node.path('later'), node.path('manifests'))
  await agent.ready()
  t.strictSame(await agent.get('/readyz'), { status: 200, body: 'ok\n' })
})

t.test('names are answered, their Services reached, both parts measured', async t => {
  await using agent = await AgentProcess.start(node.net.node, { config })
  t.equal(await node.addressOf('web'), '10.96.0.20')
  t.match(await node.dig('nope.shop.svc.cluster.local'), { status: 'NXDOMAIN' })
  t.equal(await node.connect('10.96.0.20'), `web ${node.client.ip4}`)
  const { body } = await agent.get('/metrics')
  t.match(body, /^kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/m)
  t.match(body, /^coredns_dns_requests_total\{.*zone="\."/m)
})

t.test('the log is JSON where stderr is no terminal', async t => {
  await using agent = await AgentProcess.start(node.net.node, { config })
  agent.kill('SIGTERM')
  await agent.exit()
  const { log } = agent
  t.match(log[0], { level: 30, msg: 'starting', node: 'node-a', config })
  t.ok(log.every(({ time }) => new Date(time).toISOString() === time))
  t.strictSame(
    log.slice(-2).map(({ msg }) => msg),
    ['stopping', 'stopped'],
  )
  t.strictSame(
    log.filter(({ level }) => level > 40),
    [],
  )
})

t.test('the log is for people where stderr is a terminal', async t => {
  const quoted = (words: readonly string[]) => words.map(word => `'${word}'`).join(' ')
  const command = quoted([process.execPath, MAIN, 'agent', '--config', config])
  const child = node.net.node.spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let screen = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    screen += chunk.toString()
  })
  t.teardown(() => child.kill('SIGKILL'))
  await eventually('answering', () => screen.includes('answering'))
  t.match(screen, /\[\d\d:\d\d:\d\d\.\d{3}\].*INFO.*starting/)
  t.notMatch(screen, /"level":/)
})

t.test('SIGTERM: DNS answers through its lame duck, then 0; the rules stay', async t => {
  await node.write('Corefile', corefile('health 127.0.0.1:8080 {\n lameduck 3s\n }'))
  await using agent = await AgentProcess.start(node.net.node, { config })
  const before = await node.rules()
  agent.kill('SIGTERM')
  await eventually('the goodbye', () => agent.stderr.includes('"stopping"'))
  t.equal(await node.addressOf('web'), '10.96.0.20')
  t.equal(await agent.exit(), 0)
  // dig(1): 9 is no reply from the server.
  await t.rejects(node.dig('+time=1 web.shop.svc.cluster.local'), /exit status 9/)
  t.equal(await node.rules(), before)
  t.equal(await node.connect('10.96.0.20'), `web ${node.client.ip4}`)
})

t.test('a second SIGTERM ends it at once', async t => {
  await node.write('Corefile', corefile('health 127.0.0.1:8080 {\n lameduck 60s\n }'))
  await using agent = await AgentProcess.start(node.net.node, { config })
  agent.kill('SIGTERM')
  await eventually('the goodbye', () => agent.stderr.includes('"stopping"'))
  agent.kill('SIGTERM')
  t.equal(await agent.exit(), 143)
  t.notMatch(agent.stderr, '"stopped"')
})

t.test('killed and started again: rules are adopted, connections live on', async t => {
  await node.write('Corefile', corefile())
  node.server.namespace.spawn('ncat', ['-lk', '7000', '-c', 'cat'], { stdio: 'ignore' })
  await using first = await AgentProcess.start(node.net.node, { config })
  await eventually('the echo server', async () => {
    const list = await node.server.namespace.exec('ss', ['-ltn'])
    return list.stdout.includes(':7000')
  })
  const conversation = new Conversation('10.96.0.21')
  await conversation.say('one')
  const before = await node.rules()
  first.kill('SIGKILL')
  await first.exit()
  await conversation.say('two')

  await using second = await AgentProcess.start(node.net.node, { config })
  await conversation.say('three')
  t.equal(conversation.heard, 'one\ntwo\nthree\n')
  t.equal(await node.rules(), before)
  t.equal(await node.addressOf('web'), '10.96.0.20')
  t.equal(await node.connect('10.96.0.20'), `web ${node.client.ip4}`)
  t.strictSame(
    second.loggedFrom(40).filter(({ msg }) => !msg.includes('no such Node')),
    [],
  )
})

t.test('the node tells about itself, to root by a socket and to local browsers', async t => {
  await using _agent = await AgentProcess.start(node.net.node, { config })
  await node.connect('10.96.0.20')
  const socket = await node.net.node.exec('curl', [
    '-sS',
    '--unix-socket',
    '/run/nodeplane/agent.sock',
    'http://agent/api/v1/service?namespace=shop&name=web',
  ])
  t.match(JSON.parse(socket.stdout), {
    clusterIPs: ['10.96.0.20'],
    ports: [{ port: 80, endpoints: 1, ready: 1, traffic: { connections: Number } }],
  })
  const page = async (host: string) =>
    (
      await node.net.node.exec('curl', [
        '-sS',
        '-H',
        `Host: ${host}`,
        'http://127.0.0.1:9155/api/v1/node',
      ])
    ).stdout
  t.match(JSON.parse(await page('localhost:9155')), {
    node: 'node-a',
    ready: true,
    parts: [
      { part: 'cluster', ok: true },
      { part: 'proxy', ok: true },
      { part: 'dns', ok: true },
    ],
  })
  t.match(await page('evil.example'), 'ask by address')
})

t.test('commands show the node: status, services, one service, counters', async t => {
  await using _agent = await AgentProcess.start(node.net.node, { config })
  const nodeplane = async (...words: string[]) => {
    return (await node.net.node.exec(process.execPath, [MAIN, ...words])).stdout
  }
  const status = await nodeplane('status')
  t.match(status, /^OK {2}node node-a, nodeplane \S+, up \d+s, \d+ MiB$/m)
  t.match(status, /^proxy +OK +2 service ports, 2 endpoints$/m)
  t.match(status, /^dns +OK +\d+ quer/m)
  t.match(
    await nodeplane('service', 'list'),
    /^shop +web +ClusterIP +10\.96\.0\.20 +80\/TCP +1\/1$/m,
  )
  t.match(await nodeplane('service', 'show', 'shop/web'), /^\S+:\d+ +\/TCP +ready /m)
  const counters = JSON.parse(await nodeplane('service', 'counters', '-o', 'json')) as unknown
  t.match(counters, [{ service: 'shop/web', port: '80/TCP' }, { service: 'shop/echo' }])
})
