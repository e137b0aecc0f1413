import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import t from 'tap'
import { type Query, type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { forwardPlugin } from '#dns/plugins/forward/plugin.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import type { IpAddress } from '#net/ip.ts'
import { TestAuthority } from '../../../helper/certificates.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { packetOf } from '../../../helper/fake-upstream.ts'

const NAME = 'www.example.org.'
const good: ResourceRecord = {
  name: NAME,
  type: 'A',
  class: 'IN',
  ttl: 60,
  data: '192.0.2.1' as IpAddress,
}

const authority = await TestAuthority.create()
t.teardown(() => authority[Symbol.asyncDispose]())
const pair = await authority.issue('server', 'DNS:dns.example,IP:127.0.0.1')
const client = await authority.issue('client')
const credentials = { cert: readFileSync(pair.certPath), key: readFileSync(pair.keyPath) }
const CA = authority.ca.certPath

async function serve(text: string) {
  const context = setupContext()
  const plugin = await forwardPlugin(undefined, () => 0).setup([directive(text)], context)
  t.teardown(() => plugin.stop?.())
  const handler = plugin.wrap?.(() => reply()) as Handler
  const ask = (parts: Partial<Query> = {}) =>
    Promise.resolve(handler(queryFor(NAME, 'A', parts), patience())) as Promise<Reply>
  return { ask, metrics: () => context.metrics.metrics() }
}

const answerTo = (packet: Uint8Array): Uint8Array => {
  const decoded = decodeMessage(packet)
  if (decoded.kind === 'malformed') throw new Error(decoded.reason)
  return packetOf(decoded.message, { answers: [good] })
}

/** A server that speaks DNS over TLS; `seen` has what each connection told of itself. */
async function tlsServer(options: { requestCert?: boolean } = {}) {
  const seen: { alpn: string | false | null; servername: unknown; client: unknown }[] = []
  const server = createServer(
    { ...credentials, ...options, ca: readFileSync(CA), ALPNProtocols: ['dot'] },
    socket => {
      seen.push({
        alpn: socket.alpnProtocol,
        servername: socket.servername,
        client: socket.getPeerCertificate().subject?.CN,
      })
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        const message = answerTo(chunk.subarray(2))
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length)
        socket.write(Buffer.concat([length, message]))
      })
    },
  )
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, seen }
}

t.test('DNS over TLS: the certificate is checked by the name or the address', async t => {
  const { port, seen } = await tlsServer({ requestCert: true })
  const named = await serve(
    `forward . tls://127.0.0.1%dns.example:${port}\ntls ${client.certPath} ${client.keyPath} ${CA}`,
  )
  t.strictSame((await named.ask()).answers, [good])
  t.strictSame((await named.ask({ transport: 'tcp' })).answers, [good])
  t.strictSame(
    seen,
    [{ alpn: 'dot', servername: 'dns.example', client: 'client' }],
    'one connection',
  )
  const { port: open, seen: seenOpen } = await tlsServer()
  const byAddress = await serve(`forward . tls://127.0.0.1:${open}\ntls ${CA}`)
  t.strictSame((await byAddress.ask()).answers, [good])
  const byOption = await serve(
    `forward . tls://127.0.0.1:${open}\ntls ${CA}\ntls_servername dns.example`,
  )
  t.strictSame((await byOption.ask()).answers, [good])
  t.equal(seenOpen.at(-1)?.servername, 'dns.example')
})

t.test('a certificate for another name, or of an unknown authority, is not believed', async t => {
  const { port } = await tlsServer()
  const other = await serve(`forward . tls://127.0.0.1%other.example:${port}\ntls ${CA}`)
  await t.rejects(other.ask(), { message: /other\.example/ })
  const unknown = await serve(`forward . tls://127.0.0.1:${port}`)
  await t.rejects(unknown.ask(), { message: /certificate/ })
})

/** A server that speaks DNS over HTTPS; `seen` has what was asked. */
async function httpsServer(status = 200, type = 'application/dns-message') {
  const seen: { method: string; path: string; type: unknown; authority: unknown }[] = []
  const sessions = { count: 0 }
  const server = createSecureServer(credentials, (request, response) => {
    const url = new URL(request.url, 'https://x')
    seen.push({
      method: request.method,
      path: url.pathname,
      type: request.headers['content-type'],
      authority: request.authority,
    })
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk as Buffer))
    request.on('end', () => {
      const dns = url.searchParams.get('dns')
      const packet = dns === null ? Buffer.concat(chunks) : Buffer.from(dns, 'base64url')
      response.writeHead(status, { 'content-type': type })
      response.end(answerTo(packet))
    })
  })
  server.on('session', () => sessions.count++)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, seen, sessions }
}

t.test('DNS over HTTPS: POST and GET, many questions by one connection', async t => {
  const { port, seen, sessions } = await httpsServer()
  const post = await serve(`forward . https://127.0.0.1:${port}\ntls ${CA}`)
  t.strictSame((await post.ask()).answers, [good])
  await Promise.all(
    ['a.', 'b.', 'c.'].map(name => post.ask({ question: { name, type: 'A', class: 'IN' } })),
  )
  t.equal(sessions.count, 1)
  t.strictSame(seen[0], {
    method: 'POST',
    path: '/dns-query',
    type: 'application/dns-message',
    authority: `127.0.0.1:${port}`,
  })
  const get = await serve(`forward . https://127.0.0.1:${port}\ntls ${CA}\ndoh_method GET`)
  t.strictSame((await get.ask()).answers, [good])
  t.match(seen.at(-1), { method: 'GET', path: '/dns-query', type: undefined })
})

t.test('what is no DNS over HTTPS is an error that says what came', async t => {
  for (const [status, type] of [
    [503, 'application/dns-message'],
    [200, 'text/html'],
  ] as const) {
    const { port } = await httpsServer(status, type)
    const { ask } = await serve(`forward . https://127.0.0.1:${port}\ntls ${CA}`)
    await t.rejects(ask(), { message: new RegExp(`HTTP status ${status}, content type ${type}`) })
  }
})

t.test('max_age ends connections however busy they are', async t => {
  const { port, sessions } = await httpsServer()
  const { ask } = await serve(`forward . https://127.0.0.1:${port}\ntls ${CA}\nmax_age 1ms`)
  await ask()
  await new Promise(resolve => setTimeout(resolve, 5))
  await ask()
  t.equal(sessions.count, 2)
})
