import { once } from 'node:events'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { frame, splitMessages } from '#dns/server/framing.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { exec } from '#linux/exec.ts'
import { TestAuthority } from '../helper/certificates.ts'
import { edns, message, question } from '../helper/dns.ts'
import { curl, DnsProcess, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'
import { GrpcClient } from '../helper/grpc-client.ts'

// `nodeplane dns` over TLS, HTTPS and gRPC, asked by kdig, curl, openssl and a generated gRPC client.

const authority = await TestAuthority.create()
t.teardown(() => authority[Symbol.asyncDispose]())
const ca = authority.ca.certPath
const pair = await authority.issue('dns.example.org', 'DNS:dns.example.org,IP:127.0.0.1')
const client = await authority.issue('a client')
const stranger = await (async () => {
  await using other = await TestAuthority.create()
  const made = await other.issue('a stranger')
  const certPath = await authority.write('stranger.crt', made.cert)
  return { certPath, keyPath: await authority.write('stranger.key', made.key) }
})()

const names = ['dns', 'tls', 'auth', 'given', 'https', 'grpc', 'clear', 'metrics'] as const
const ports = Object.fromEntries(
  await Promise.all(names.map(async name => [name, await freePort()])),
) as Record<(typeof names)[number], number>

const folder = t.testdir({
  zone: 'example.org. 60 IN SOA a. b. 1 2 3 4 30\nexample.org. 60 IN NS a.\n',
})
await copyFile(pair.certPath, join(folder, 'server.crt'))
await copyFile(pair.keyPath, join(folder, 'server.key'))

const corefile = (more = '') => `
  example.org:${ports.dns} tls://example.org:${ports.tls} https://example.org:${ports.https} grpc://example.org:${ports.grpc} {
    tls server.crt server.key
    prometheus 127.0.0.1:${ports.metrics}
    acl {
      drop type TXT
    }
    template ANY A example.org {
      answer "{{ .Name }} 60 IN A 192.0.2.1"
    }
    file ${join(folder, 'zone')} example.org
    transfer {
      to *
    }
    ${more}
  }
  tls://example.org:${ports.auth} {
    tls server.crt server.key ${ca} {
      client_auth require_and_verify
    }
    whoami
  }
  tls://example.org:${ports.given} {
    tls server.crt server.key ${ca} {
      client_auth verify_if_given
    }
    whoami
  }
  grpc://example.org:${ports.clear} {
    whoami
  }
`
const conf = await writeCorefile(folder, corefile())
const server = await DnsProcess.start({ args: ['--conf', conf] })
t.teardown(() => server[Symbol.asyncDispose]())

const asked = (parts: Parameters<typeof question>[0] = {}, id = 0) =>
  encodeMessage(message({ id, question: question(parts) }))
const UPDATE = Buffer.from('0000 2800 0001 0000 0000 0000 00 0006 0001'.replaceAll(' ', ''), 'hex')
const RESPONSE = Buffer.from(
  '0000 8100 0001 0000 0000 0000 00 0001 0001'.replaceAll(' ', ''),
  'hex',
)

async function kdig(port: number, ...words: readonly string[]): Promise<string> {
  const { stdout } = await exec('kdig', ['@127.0.0.1', '-p', `${port}`, '+timeout=3', ...words])
  return stdout
}

t.test('the banner names the scheme', async t => {
  t.match(server.stdout, `\ntls://example.org.:${ports.tls}\nhttps://example.org.:${ports.https}\n`)
})

const secure = [`+tls-ca=${ca}`, '+tls-hostname=dns.example.org']
const kinds: readonly [title: string, port: number, words: readonly string[], text: RegExp][] = [
  ['TLS', ports.tls, ['+tls', ...secure], /TLS session \(TLS1\.3\)/],
  ['HTTPS by POST', ports.https, ['+https', ...secure], /HTTP session \(HTTP\/2-POST\)/],
  ['HTTPS by GET', ports.https, ['+https-get', ...secure], /HTTP session \(HTTP\/2-GET\)/],
]
for (const [title, port, words, text] of kinds) {
  t.test(`kdig asks over ${title}, with a certificate that it checks`, async t => {
    const answer = await kdig(port, ...words, 'example.org')
    t.match(answer, text)
    t.match(answer, /status: NOERROR/)
    t.match(answer, /example\.org\.\s+60\s+IN\s+A\s+192\.0\.2\.1/)
  })
}

t.test('dig asks over TLS and HTTPS', async t => {
  for (const [words, port] of [
    [['+tls'], ports.tls],
    [['+https'], ports.https],
    [['+https-get'], ports.https],
  ] as const) {
    const { stdout } = await exec('dig', ['@127.0.0.1', '-p', `${port}`, ...words, 'example.org'])
    t.match(stdout, /status: NOERROR.*192\.0\.2\.1/s)
  }
})

t.test('a zone is copied over TLS', async t => {
  const answer = await kdig(ports.tls, '+tls', 'AXFR', 'example.org')
  t.match(answer, /IN\s+NS\s+a\..*SOA/s)
})

const openssl = (port: number, ...words: readonly string[]) =>
  exec(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', ca, '-brief', ...words],
    {
      input: '',
    },
  )

t.test('TLS 1.2 is taken, older versions and other protocols are not', async t => {
  await openssl(ports.tls, '-tls1_2')
  await openssl(ports.tls, '-alpn', 'dot')
  await t.rejects(openssl(ports.tls, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'))
  await t.rejects(openssl(ports.tls, '-alpn', 'h2'))
})

const own = ['-cert', client.certPath, '-key', client.keyPath]
const strange = ['-cert', stranger.certPath, '-key', stranger.keyPath]
// In TLS 1.2 the server has the last word of the handshake, so its refusal is the handshake's.
const callers: readonly [
  title: string,
  port: number,
  words: readonly string[],
  isTaken: boolean,
][] = [
  ['its own certificate, where one must be', ports.auth, own, true],
  ['none, where one must be', ports.auth, [], false],
  ["a stranger's, where one must be", ports.auth, strange, false],
  ['its own certificate, where one may be', ports.given, own, true],
  ['none, where one may be', ports.given, [], true],
]
for (const [title, port, words, isTaken] of callers) {
  t.test(`a client with ${title} is ${isTaken ? 'taken' : 'turned away'}`, async t => {
    const opened = openssl(port, '-tls1_2', ...words)
    await (isTaken ? t.resolves(opened) : t.rejects(opened))
  })
}

/** Waits for the end of it, by an error as well. */
const closed = (stream: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
  new Promise(resolve => stream.once('close', resolve))

t.test("a client with a stranger's certificate, where one may be, is turned away", async () => {
  const [cert, key] = [await readFile(stranger.certPath), await readFile(stranger.keyPath)]
  const socket = connect({
    port: ports.given,
    host: '127.0.0.1',
    ca: await readFile(ca),
    cert,
    key,
  })
  socket.on('error', () => undefined)
  await closed(socket)
})

/** An answer over HTTPS as curl got it. */
async function doh(...words: readonly string[]) {
  const url = `https://127.0.0.1:${ports.https}`
  const target = words.at(-1) ?? ''
  const { stdout } = await exec('curl', [
    '-s',
    '--max-time',
    '5',
    '--cacert',
    ca,
    '-o',
    join(folder, 'body'),
    '-w',
    '%{http_version} %{http_code} %header{content-type} %header{cache-control} %header{content-length}',
    ...words.slice(0, -1),
    `${url}${target}`,
  ])
  const [version, status, type, cache, length] = stdout.split(' ')
  return { version, status, type, cache, length, body: await readFile(join(folder, 'body')) }
}

const get = (packet: Uint8Array) => `/dns-query?dns=${Buffer.from(packet).toString('base64url')}`

for (const [flag, version] of [
  ['--http2', '2'],
  ['--http1.1', '1.1'],
] as const) {
  t.test(`curl asks over HTTP/${version}`, async t => {
    const query = join(folder, 'query')
    await writeFile(query, asked())
    const post = ['-H', 'content-type: application/dns-message', '--data-binary', `@${query}`]
    for (const answer of [await doh(flag, get(asked())), await doh(flag, ...post, '/dns-query')]) {
      const { body, ...head } = answer
      t.strictSame(head, {
        version,
        status: '200',
        type: 'application/dns-message',
        cache: 'max-age=60',
        length: `${body.length}`,
      })
      t.match(decodeMessage(body), {
        message: { id: 0, rcode: 'NOERROR', answers: [{ data: '192.0.2.1' }] },
      })
    }
  })

  t.test(`what is no query over HTTP/${version} gets a status`, async t => {
    const post = (path: string) => [flag, '--data-binary', `@${path}`, '/dns-query']
    const long = await authority.write('long', 'x'.repeat(70_000))
    const update = join(folder, 'update')
    await writeFile(update, UPDATE)
    const cases: readonly [words: readonly string[], status: string][] = [
      [[flag, '/'], '404'],
      [[flag, '/dns-query'], '400'],
      [[flag, '/dns-query?dns=%00'], '400'],
      [[flag, `${get(asked())}&dns=AA`], '400'],
      [[flag, '-X', 'PUT', get(asked())], '400'],
      [[flag, '-I', get(asked())], '400'],
      [post(long), '400'],
      // CVE-2026-86003: what UDP refuses is refused here.
      [[flag, get(UPDATE)], '400'],
      [post(update), '400'],
      [[flag, get(RESPONSE)], '400'],
      [[flag, get(Buffer.alloc(11))], '400'],
      // acl drops it.
      [[flag, get(asked({ type: 'TXT' }))], '500'],
    ]
    for (const [words, status] of cases) {
      t.equal((await doh(...words)).status, status, words.join(' ').slice(0, 60))
    }
  })
}

t.test('a parameter that is longer than any message gets a status', async t => {
  // Over HTTP/2 it would be too long for the headers, which ends the connection.
  t.equal((await doh('--http1.1', `/dns-query?dns=${'A'.repeat(88_000)}`)).status, '400')
})

t.test('errors of DNS are answers of HTTP', async t => {
  const { status, cache, body } = await doh(get(asked({ name: 'example.net.' })))
  t.match({ status, cache }, { status: '200', cache: 'max-age=5' })
  t.match(decodeMessage(body), { message: { rcode: 'REFUSED' } })
  // A zone does not fit into an answer.
  const copy = await doh(get(asked({ type: 'AXFR' })))
  t.match(decodeMessage(copy.body), { message: { rcode: 'REFUSED' } })
  const old = await doh(
    get(encodeMessage(message({ question: question(), edns: edns({ version: 1 }) }))),
  )
  t.match(decodeMessage(old.body), { message: { rcode: 'BADVERS' } })
})

for (const [title, open] of [
  ['TLS', () => GrpcClient.encrypted(ports.grpc, ca, 'dns.example.org')],
  ['HTTP/2 in the clear', () => GrpcClient.inClear(ports.clear)],
] as const) {
  t.test(`a generated client asks by gRPC over ${title}`, async t => {
    using grpc = await open()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, id) => grpc.ask(asked({}, id))),
    )
    for (const [id, answer] of answers.entries()) {
      t.match(decodeMessage(answer), { message: { id, rcode: 'NOERROR', isResponse: true } })
    }
    await t.rejects(grpc.ask(UPDATE), { code: 3 })
    await t.rejects(grpc.ask(RESPONSE), { code: 3 })
    await t.rejects(grpc.ask(new Uint8Array(70_000)), { code: 8 })
    t.match(decodeMessage(await grpc.ask(asked())), { message: { rcode: 'NOERROR' } })
  })
}

t.test('an unanswered call fails', async t => {
  using grpc = await GrpcClient.encrypted(ports.grpc, ca, 'dns.example.org')
  await t.rejects(grpc.ask(asked({ type: 'TXT' })), { code: 2 })
})

t.test('metrics name the listener and count the statuses', async t => {
  const { body } = await curl(`http://127.0.0.1:${ports.metrics}/metrics`)
  for (const scheme of ['tls', 'https', 'grpc'] as const) {
    const series = `coredns_dns_requests_total{server="${scheme}://:${ports[scheme]}",zone="example.org.",view="",proto="tcp",family="1",type="A"}`
    t.ok(body.includes(series), series)
  }
  const statuses = `coredns_dns_https_responses_total{server="https://:${ports.https}",status=`
  for (const status of [200, 400, 404, 500]) t.ok(body.includes(`${statuses}"${status}"}`))
})

/** The name in the certificate that a new connection is shown. */
async function shownName(port: number): Promise<unknown> {
  const socket = connect({ port, host: '127.0.0.1', ca: await readFile(ca) })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return CN
}

t.test('a reload changes the certificate, and open connections go on', async t => {
  const opened = connect({
    port: ports.tls,
    host: '127.0.0.1',
    ca: await readFile(ca),
    ALPNProtocols: ['dot'],
  })
  await once(opened, 'secureConnect')
  t.equal(opened.alpnProtocol, 'dot')
  const renewed = await authority.issue('renewed.example.org', 'IP:127.0.0.1')
  await copyFile(renewed.certPath, join(folder, 'server.crt'))
  await copyFile(renewed.keyPath, join(folder, 'server.key'))
  server.kill('SIGUSR1')
  await eventually('the new certificate', async () => {
    return (await shownName(ports.tls)) === 'renewed.example.org'
  })
  opened.write(frame(asked({}, 7)))
  const [segment] = (await once(opened, 'data')) as [Buffer]
  const [answer] = splitMessages(segment).messages
  t.match(answer && decodeMessage(answer), { message: { id: 7, rcode: 'NOERROR' } })
  opened.destroy()
})

t.test('reload notices a renewed certificate by itself, once it and its key are there', async t => {
  const port = await freePort()
  const own = t.testdir({})
  const put = async ({ certPath, keyPath }: typeof pair) => {
    await copyFile(certPath, join(own, 'a.crt'))
    await copyFile(keyPath, join(own, 'a.key'))
  }
  const [first, second] = await Promise.all(
    ['first', 'second'].map(name => authority.issue(name, 'IP:127.0.0.1')),
  )
  if (first === undefined || second === undefined) throw new Error('no certificates')
  await put(first)
  const text = `tls://.:${port} {\n tls a.crt a.key\n reload 2s 1s\n whoami\n}\n`
  await using reloading = await DnsProcess.start({
    args: ['--conf', await writeCorefile(own, text)],
  })
  t.equal(await shownName(port), 'first')
  await copyFile(second.certPath, join(own, 'a.crt'))
  await eventually('the refusal', () => /reload failed/.test(reloading.stderr))
  t.equal(await shownName(port), 'first')
  await put(second)
  await eventually('the new one', async () => (await shownName(port)) === 'second')
})

t.test('a certificate that cannot be used leaves the former one in use', async t => {
  await writeFile(join(folder, 'server.crt'), 'no certificate')
  server.kill('SIGUSR1')
  await eventually('the log', () => /reload failed/.test(server.stderr))
  t.match(await kdig(ports.tls, '+tls', 'example.org'), /status: NOERROR/)
})

t.test('connections that say nothing are closed', async () => {
  const closing = [ports.tls, ports.https, ports.grpc, ports.clear].map(async port => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    await closed(socket)
  })
  await Promise.all(closing)
})

t.test('a thousand connections without a handshake keep nobody out', async t => {
  const sockets = Array.from({ length: 1100 }, () => connectTcp(ports.tls, '127.0.0.1'))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) socket.on('error', () => undefined)
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  t.match(await kdig(ports.tls, '+tls', 'example.org'), /status: NOERROR/)
})

t.test('what cannot be served is refused with a word on what to do', async t => {
  const blocks = ['tls://.', 'quic://.', 'https3://.', 'https://. {\n tls none.crt none.key'].map(
    key => `${key}${key.includes('{') ? '' : ' {'}\n whoami\n}`,
  )
  const bad = await writeCorefile(t.testdir(), blocks.join('\n'))
  await using refused = DnsProcess.spawn({ args: ['--conf', bad] })
  t.equal(await refused.exit(), 2)
  for (const problem of [
    /Corefile:1: tls:\/\/:853 needs a certificate/,
    /Corefile:4: quic:\/\/\.: quic:\/\/ is known but not supported; serve tls:\/\//,
    /Corefile:7: https3:\/\/\.: https3:\/\/ is known but not supported; serve https:\/\//,
    /Corefile:11: tls: ENOENT/,
  ]) {
    t.match(refused.stderr, problem)
  }
})
