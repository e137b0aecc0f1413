import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { decodeMessage } from '#dns/wire/decode.ts'
import { exec } from '#linux/exec.ts'
import { MAIN, SOURCES } from '../helper/build.ts'
import { curl, DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'
import { packetOf } from '../helper/fast-block.ts'

// `nodeplane dns` with its fast path, asked by dig and by many sockets.

const NAME = 'web.shop.svc.cluster.local.'
const FAST_ANSWERS = 'nodeplane_dns_fast_path_answers_total'
const BROKEN = join(import.meta.dirname, '../fixtures/broken-udp-batch.cjs')

const service = (address: string, name = 'web'): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: ${address}, clusterIPs: ["${address}"], ports: [{ name: http, port: 80 }] }
`

/** A server over one Service, in a folder of its own. */
class Running implements AsyncDisposable {
  readonly port: number
  readonly #http: number
  readonly #folder: string
  #server: DnsProcess | undefined

  private constructor(port: number, http: number, folder: string) {
    this.port = port
    this.#http = http
    this.#folder = folder
  }

  /** @param options.more stands in the server block. */
  static async start({
    more = '',
    args = ['--fast-path-workers', '1'],
    env = {},
    alsoOn = 0,
  } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'nodeplane-fast-'))
    const running = new Running(await freePort(), await freePort(), folder)
    await running.serve('web.yaml', service('10.96.0.10'))
    const conf = await running.configure({ more, alsoOn })
    const isBroken = Object.keys(env).length > 0
    const program = isBroken ? SOURCES : MAIN
    running.#server = await DnsProcess.start({ args: ['--conf', conf, ...args], env, program })
    return running
  }

  get server(): DnsProcess {
    if (this.#server === undefined) throw new Error('not started')
    return this.#server
  }

  configure({ more = '', ttl = 30, alsoOn = 0 } = {}): Promise<string> {
    const keys = [this.port, alsoOn].filter(port => port > 0).map(port => `.:${port}`)
    const text = `${keys.join(' ')} {
    kubernetes cluster.local {
      manifests ${this.#folder}
      ttl ${ttl}
    }
    prometheus 127.0.0.1:${this.#http}
    ${more}
  }
  `
    return writeCorefile(this.#folder, text)
  }

  serve(file: string, text: string): Promise<void> {
    return writeFile(join(this.#folder, file), text)
  }

  /** The sum of all series whose line begins so. */
  async metric(name: string): Promise<number> {
    const { body } = await curl(`http://127.0.0.1:${this.#http}/metrics`)
    const lines = body.split('\n').filter(line => line.startsWith(name))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true })
  }
}

t.test('dig gets the same answer from the fast path', async t => {
  await using running = await Running.start()
  const variants: readonly (readonly string[])[] = [
    ['WEB.shop.svc.Cluster.local', '+noedns'],
    ['web.SHOP.svc.cluster.local', '+bufsize=4096', '+norec'],
    ['web.shop.svc.cluster.local', '+dnssec', '+cd'],
    ['_http._tcp.web.shop.svc.cluster.local', 'SRV'],
    ['nope.shop.svc.cluster.local', '+noedns'],
    ['web.shop.svc.cluster.local', 'AAAA', '@127.0.0.9'],
    ['web.shop.svc.cluster.local', '@::1'],
  ]
  const stable = (text: string) =>
    text.replaceAll(/^;; (?:->>HEADER|Query time|WHEN|MSG SIZE).*$|id: \d+/gm, '')
  for (const words of variants) {
    const answers: string[] = []
    for (let count = 0; count < 3; count++) {
      answers.push(stable((await dig(running.port, '+nocookie', ...words)).text))
    }
    t.equal(answers[1], answers[0], words.join(' '))
    t.equal(answers[2], answers[0], words.join(' '))
    // dig drops answers that come from another address than it asked.
    t.match(answers[2], /status: |ANSWER|AUTHORITY/)
  }
  t.ok((await running.metric(FAST_ANSWERS)) >= variants.length, 'the last of each was from there')
})

t.test('multisocket says how many workers a listener has', async t => {
  await using running = await Running.start({ more: 'multisocket 3' })
  const { stdout } = await exec('ss', ['-Huln', `sport = :${running.port}`])
  t.equal(stdout.trim().split('\n').length, 3)
  t.match(await dig(running.port, NAME), { status: 'NOERROR' })
})

t.test('every client of many gets its answer, and every query is counted', async t => {
  await using running = await Running.start({ args: ['--fast-path-workers', '3'] })
  const SOCKETS = 48
  const ROUNDS = 20
  const question = { name: NAME, type: 'A', class: 'IN' }
  await Promise.all(
    Array.from({ length: SOCKETS }, async (_, number) => {
      await using socket = createSocket('udp4')
      socket.connect(running.port, `127.0.0.${1 + (number % 9)}`)
      await once(socket, 'connect')
      for (let round = 0; round < ROUNDS; round++) {
        const id = number * ROUNDS + round
        const answer = once(socket, 'message') as Promise<[Buffer]>
        socket.send(packetOf({ id, question, recursionDesired: true }))
        const decoded = decodeMessage((await answer)[0])
        if (decoded.kind !== 'message') throw new Error(decoded.reason)
        const { answers, ...header } = decoded.message
        if (header.id !== id || answers[0]?.data !== '10.96.0.10') throw new Error('wrong answer')
      }
    }),
  )
  const asked = SOCKETS * ROUNDS
  for (const name of [
    'coredns_dns_requests_total',
    'coredns_dns_responses_total',
    'coredns_dns_request_duration_seconds_count',
    'coredns_dns_response_size_bytes_count',
  ]) {
    t.equal(await running.metric(name), asked, name)
  }
  const fast = await running.metric(FAST_ANSWERS)
  t.ok(fast > asked / 2, `${fast} of ${asked} by the fast path`)
})

t.test('a change of the zone changes ready answers, those of denied names too', async t => {
  await using running = await Running.start()
  const addressOf = async (name: string) =>
    (await dig(running.port, '+nocookie', name)).answer[0]?.split(' ').at(-1)
  for (let count = 0; count < 3; count++) {
    t.equal(await addressOf(NAME), '10.96.0.10')
    t.equal(await addressOf('late.shop.svc.cluster.local'), undefined)
  }
  const before = await running.metric(FAST_ANSWERS)
  t.ok(before >= 2, 'both were ready')
  await running.serve('web.yaml', service('10.96.0.11'))
  await running.serve('late.yaml', service('10.96.0.12', 'late'))
  await eventually('the new address', async () => (await addressOf(NAME)) === '10.96.0.11')
  await eventually(
    'the new name',
    async () => (await addressOf('late.shop.svc.cluster.local')) === '10.96.0.12',
  )
  t.equal(await addressOf(NAME), '10.96.0.11')
})

t.test('a reload changes ready answers', async t => {
  await using running = await Running.start()
  const ttl = async () =>
    Number((await dig(running.port, '+nocookie', NAME)).answer[0]?.split(' ')[1])
  for (let count = 0; count < 3; count++) t.equal(await ttl(), 30)
  await running.configure({ ttl: 7 })
  running.server.kill('SIGUSR1')
  await eventually('the new TTL', async () => (await ttl()) === 7)
  for (let count = 0; count < 3; count++) t.equal(await ttl(), 7)
})

t.test('a block with log answers every query by its chain', async t => {
  await using running = await Running.start({ more: 'log' })
  for (let count = 0; count < 4; count++) await dig(running.port, '+nocookie', NAME)
  await eventually(
    'four lines',
    () => running.server.stdout.match(/"A IN web\.shop/g)?.length === 4,
  )
  t.equal(await running.metric(FAST_ANSWERS), 0)
})

t.test('where a view chooses by client, an answer for one is not given to another', async t => {
  const port = await freePort()
  const manifests = t.testdir({ 'web.yaml': service('10.96.0.10') })
  const conf = await writeCorefile(
    manifests,
    `.:${port} {
  view second {
    expr client_ip() == '127.0.0.2'
  }
  template IN A {
    answer "{{ .Name }} 60 IN A 192.0.2.2"
  }
}
.:${port} {
  kubernetes cluster.local {
    manifests ${manifests}
  }
}
`,
  )
  const args = ['--conf', conf, '--fast-path-workers', '1']
  await using _server = await DnsProcess.start({ args })
  const addressFor = async (client: string) =>
    (await dig(port, '+nocookie', '-b', client, NAME)).answer[0]?.split(' ').at(-1)
  await eventually('the zone', async () => (await addressFor('127.0.0.1')) === '10.96.0.10')
  for (let count = 0; count < 3; count++) {
    t.equal(await addressFor('127.0.0.1'), '10.96.0.10')
    t.equal(await addressFor('127.0.0.2'), '192.0.2.2')
  }
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends it while its workers wait in the kernel`, async t => {
    await using running = await Running.start({ args: ['--fast-path-workers', '2'] })
    running.server.kill(signal)
    t.equal(await running.server.exit(), 0)
  })
}

t.test('a second SIGTERM ends it at once', async t => {
  await using running = await Running.start({ more: 'health :0 {\n lameduck 60s\n }' })
  running.server.kill('SIGTERM')
  await eventually('the answer to the first', () => {
    if (running.server.isRunning) running.server.kill('SIGTERM')
    return !running.server.isRunning
  })
  t.equal(await running.server.exit(), 143)
})

t.test('a fault of the program that nobody catches ends it, workers or not', async t => {
  const env = { NODE_OPTIONS: `--require=${BROKEN}`, BROKEN_UDP_BATCH: 'throw-later' }
  await using running = await Running.start({ env })
  running.server.kill('SIGUSR2')
  t.notSame(await running.server.exit(), 0)
})

for (const [broken, where] of [
  ['main', 'where the calls cannot be had'],
  ['worker', 'where no worker starts'],
  ['receive', 'when a worker fails later'],
] as const) {
  t.test(`it goes on by dgram ${where}, and says so once`, async t => {
    const env = { NODE_OPTIONS: `--require=${BROKEN}`, BROKEN_UDP_BATCH: broken }
    const other = await freePort()
    await using running = await Running.start({ env, alsoOn: other })
    for (const port of [running.port, other]) {
      await eventually(`an answer on ${port}`, async () => {
        const { answer } = await dig(port, '+nocookie', NAME)
        return answer.length === 1
      })
      // What was broken later broke with the first packets.
      for (let count = 0; count < 3; count++) {
        const answer = await eventually('an answer', () => dig(port, '+nocookie', NAME))
        t.match(answer.answer, [/10\.96\.0\.10$/])
      }
    }
    t.equal(running.server.stderr.match(/no fast path/g)?.length, 1, running.server.stderr)
    running.server.kill('SIGTERM')
    t.equal(await running.server.exit(), 0)
  })
}
