import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { request as requestHttps } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { writeGrpcAnswer } from '#dns/server/grpc-message.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { TestAuthority } from '../helper/certificates.ts'
import { message, question } from '../helper/dns.ts'
import { DnsProcess, freePort, writeCorefile } from '../helper/dns-process.ts'
import { fuzzOptions, hostilePackets } from '../helper/fuzz.ts'

// DNS over HTTPS and gRPC under requests that are wrong in every way: never a crash, a hang, or memory without bound.

const authority = await TestAuthority.create()
t.teardown(() => authority[Symbol.asyncDispose]())
const ca = await readFile(authority.ca.certPath)
const { certPath, keyPath } = await authority.issue('dns.example.org', 'IP:127.0.0.1')
const [https, grpc] = [await freePort(), await freePort()]
const conf = await writeCorefile(
  t.testdir({}),
  `https://.:${https} {
  tls ${certPath} ${keyPath}
  timeouts {
    read 1s
  }
  whoami
}
grpc://.:${grpc} {
  timeouts {
    read 1s
  }
  whoami
}
`,
)
const server = await DnsProcess.start({ args: ['--conf', conf] })
t.teardown(() => server[Symbol.asyncDispose]())

const QUERY = encodeMessage(message({ question: question({ name: 'www.example.org.' }) }))
const PATH = '/dns-query'
const CALL = '/coredns.dns.DnsService/Query'

/** What an attack may make the server grow by: buffers that fill once. */
const MAX_GROWTH_MIB = 96

async function residentMiB(): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

function open(to: string): ClientHttp2Session {
  const session = connectHttp2(to, { ca })
  session.on('error', () => undefined)
  return session
}

/** The end of a request: its headers and trailers, empty for one that was reset. `octets` undefined: half of it never comes. */
async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  octets: Uint8Array | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const stream: ClientHttp2Stream = session.request(headers, { endStream: false })
  stream.on('error', () => undefined)
  let seen: Readonly<Record<string, unknown>> = {}
  stream.on('response', found => (seen = { ...seen, ...found }))
  stream.on('trailers', found => (seen = { ...seen, ...found }))
  stream.resume()
  if (octets === undefined) stream.write(QUERY.subarray(0, 5))
  else stream.end(octets)
  await new Promise(resolve => stream.once('close', resolve))
  return seen
}

/** Asks all of it, some at a time. */
async function askAll<T>(
  inputs: readonly T[],
  each: (input: T) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < inputs.length; at += 60) {
    await Promise.all(inputs.slice(at, at + 60).map(each))
  }
}

const before = await (async () => {
  const [first, second] = [open(`https://127.0.0.1:${https}`), open(`http://127.0.0.1:${grpc}`)]
  await ask(first, { ':path': PATH, ':method': 'POST' }, QUERY)
  first.close()
  second.close()
  return residentMiB()
})()

async function checkSurvival(t: Test) {
  const [doh, call] = [open(`https://127.0.0.1:${https}`), open(`http://127.0.0.1:${grpc}`)]
  t.match(await ask(doh, { ':path': PATH, ':method': 'POST' }, QUERY), { ':status': 200 })
  const headers = { ':path': CALL, ':method': 'POST', 'content-type': 'application/grpc' }
  t.match(await ask(call, headers, writeGrpcAnswer(QUERY)), { 'grpc-status': '0' })
  doh.close()
  call.close()
  t.ok(server.isRunning)
  t.notMatch(server.stderr, /fault of the program/)
  const grown = (await residentMiB()) - before
  t.ok(grown < MAX_GROWTH_MIB, `it grew by ${grown.toFixed(0)} MiB`)
}

const base64url = fc.oneof(
  hostilePackets.map(packet => Buffer.from(packet).toString('base64url')),
  hostilePackets.map(packet => Buffer.from(packet).toString('base64')),
  fc.string({ maxLength: 200 }).map(text => encodeURIComponent(text.toWellFormed())),
  fc.integer({ min: 1, max: 40_000 }).map(length => 'A'.repeat(length)),
)
const targets = fc.oneof(
  { weight: 8, arbitrary: base64url.map(text => `${PATH}?dns=${text}`) },
  { weight: 1, arbitrary: base64url.map(text => `${PATH}?dns=${text}&dns=${text.slice(0, 9)}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/', PATH, `${PATH}/`, `${PATH}?`, `${PATH}?x=1`, '/%00', '/..'),
  },
)
const methods = fc.constantFrom('GET', 'POST', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS')
const types = fc.constantFrom(
  'application/dns-message',
  'application/json',
  'text/plain; charset=x',
  'application/grpc',
  '',
)
const bodies = fc.oneof(
  { weight: 8, arbitrary: hostilePackets },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
  { weight: 1, arbitrary: fc.integer({ min: 65_000, max: 70_000 }).map(n => new Uint8Array(n)) },
)

/** RFC 8484 and the page of the protocols: what there may be. */
const STATUSES = [200, 400, 404, 500]

t.test('requests over HTTPS, HTTP/2', async t => {
  const session = open(`https://127.0.0.1:${https}`)
  const inputs = fc.sample(fc.tuple(methods, targets, types, bodies), fuzzOptions(400))
  const seen = new Set<unknown>()
  await askAll(inputs, async ([method, path, type, body]) => {
    const headers = { ':method': method, ':path': path, 'content-type': type }
    // A HTTP client gets its answer before it has sent all: what comes after it is not waited for.
    const { ':status': status } = await ask(session, headers, body)
    seen.add(status)
  })
  session.close()
  // A request that a busy machine cuts short has none.
  seen.delete(undefined)
  t.ok(seen.isSubsetOf(new Set(STATUSES)) && seen.has(200) && seen.has(400), [...seen].join())
  await checkSurvival(t)
})

t.test('requests over HTTPS, HTTP/1.1', async t => {
  const inputs = fc.sample(fc.tuple(methods, targets, types, bodies), fuzzOptions(150))
  const odd = new Set<unknown>()
  await askAll(inputs, async ([method, path, type, body]) => {
    const headers = { 'content-type': type, 'content-length': body.length }
    const options = { host: '127.0.0.1', port: https, ca, method, path, headers, agent: false }
    const status = await new Promise<number | undefined>(resolve => {
      const request = requestHttps(options, answer => {
        answer.resume()
        answer.once('close', () => resolve(answer.statusCode))
      })
      request.on('error', () => resolve(undefined))
      request.end(body)
    })
    // A body that nobody reads to the end may be answered by a cut.
    if (status !== undefined && !STATUSES.includes(status)) odd.add(status)
  })
  t.strictSame(odd, new Set())
  await checkSurvival(t)
})

/** A body of a call that is wrong: its flag, its length, its end, or all of it. */
const calls = fc.oneof(
  hostilePackets.map(packet => Buffer.from(writeGrpcAnswer(packet))),
  fc.tuple(hostilePackets, fc.nat(300), fc.nat(255)).map(([packet, at, octet]) => {
    const body = Buffer.from(writeGrpcAnswer(packet))
    body[at % body.length] = octet
    return body
  }),
  fc.tuple(hostilePackets, fc.nat(20)).map(([packet, at]) => {
    return Buffer.from(writeGrpcAnswer(packet)).subarray(0, at)
  }),
  fc.constantFrom(0xffff_ffff, 0x7fff_ffff, 65_536, 4).map(length => {
    const body = Buffer.from(writeGrpcAnswer(QUERY))
    body.writeUInt32BE(length, 1)
    return body
  }),
  fc.integer({ min: 1, max: 255 }).map(flag => {
    const body = Buffer.from(writeGrpcAnswer(QUERY))
    body[0] = flag
    return body
  }),
  fc.integer({ min: 65_000, max: 80_000 }).map(length => {
    return Buffer.from(writeGrpcAnswer(new Uint8Array(length)))
  }),
)

t.test('calls over gRPC', async t => {
  const session = open(`http://127.0.0.1:${grpc}`)
  const paths = fc.constantFrom(CALL, CALL, CALL, '/', '/coredns.dns.DnsService/Other')
  const callTypes = fc.constantFrom(...Array(6).fill('application/grpc'), 'application/grpc+proto')
  const inputs = fc.sample(
    fc.tuple(
      fc.oneof({ weight: 6, arbitrary: callTypes }, { weight: 1, arbitrary: types }),
      paths,
      calls,
    ),
    fuzzOptions(500),
  )
  const odd = new Set<unknown>()
  await askAll(inputs, async ([type, path, body]) => {
    const headers = { ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' }
    const seen = await ask(session, headers, body)
    const isHttp = seen[':status'] === 415
    const isCall = /^(0|2|3|8|12|13)$/.test(String(seen['grpc-status']))
    const isCut = seen[':status'] === undefined
    if (!isHttp && !isCall && !isCut) odd.add(JSON.stringify(seen))
  })
  session.close()
  t.strictSame(odd, new Set())
  await checkSurvival(t)
})

t.test('bodies that never end are not waited for', async t => {
  const [doh, call] = [open(`https://127.0.0.1:${https}`), open(`http://127.0.0.1:${grpc}`)]
  const headers = { ':method': 'POST', 'content-type': 'application/grpc' }
  const halves = [...Array(100).keys()].flatMap(() => [
    ask(doh, { ...headers, ':path': PATH }, undefined),
    ask(call, { ...headers, ':path': CALL }, undefined),
  ])
  // While they stand open, others are answered.
  await checkSurvival(t)
  const ends = await Promise.all(halves)
  t.ok(ends.every(seen => seen[':status'] !== 200))
  doh.close()
  call.close()
})

/** The beginning of HTTP/2 (RFC 9113 section 3.4), and an empty SETTINGS frame. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1')
const frames = fc
  .tuple(fc.nat(0xffffff), fc.nat(12), fc.nat(255), fc.nat(9), fc.uint8Array({ maxLength: 200 }))
  .map(([length, type, flags, stream, payload]) => {
    const head = Buffer.alloc(9)
    // Right as often as wrong.
    head.writeUIntBE(length % 2 === 0 ? payload.length : length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(stream, 5)
    return Buffer.concat([head, payload])
  })
const noise = fc.oneof(
  fc.array(frames, { maxLength: 8 }).map(all => Buffer.concat([PREFACE, ...all])),
  fc.uint8Array({ maxLength: 400 }).map(octets => Buffer.from(octets)),
  fc
    .string({ maxLength: 200 })
    .map(text => Buffer.from(`GET ${PATH}?dns=${text} HTTP/1.1\r\nHost: a\r\n\r\n`)),
)

async function throwAt(socket: Socket, ready: string, octets: Buffer): Promise<void> {
  socket.on('error', () => undefined)
  const gone = new Promise(resolve => socket.once('close', resolve))
  await Promise.race([once(socket, ready).catch(() => undefined), gone])
  socket.resume()
  socket.end(octets)
  await gone
}

t.test('octets that are no HTTP', async t => {
  await askAll(fc.sample(noise, fuzzOptions(120)), octets =>
    Promise.all(
      [grpc, https].map(port => throwAt(connectTcp(port, '127.0.0.1'), 'connect', octets)),
    ),
  )
  for (const ALPNProtocols of [['h2'], ['http/1.1']]) {
    await askAll(fc.sample(noise, fuzzOptions(60)), async octets => {
      const options = { port: https, host: '127.0.0.1', ca, ALPNProtocols }
      await throwAt(connectTls(options), 'secureConnect', octets)
    })
  }
  await checkSurvival(t)
})
