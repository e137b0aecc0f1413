import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { frame, splitMessages } from '#dns/server/framing.ts'
import { decodeMessage } from '#dns/wire/decode.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { message, question } from '../helper/dns.ts'
import { DnsProcess, dig, freePort, sendDatagram, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'

const [port, boundPort] = [await freePort(), await freePort()]
const conf = await writeCorefile(
  t.testdir(),
  `example.org:${port} {
    whoami
    log
  }
  empty.org:${port} {
    errors
  }
  config.org:${port} {
    reload
  }
  example.org:${boundPort} {
    bind 127.0.0.2
    whoami
  }`,
)
const server = await DnsProcess.start({ args: ['--conf', conf] })
t.teardown(() => server[Symbol.asyncDispose]())

t.test('it prints what it serves, its version and its platform', async t => {
  t.match(
    server.stdout,
    `example.org.:${port}\nempty.org.:${port}\nconfig.org.:${port}\nexample.org.:${boundPort} on 127.0.0.2\nnodeplane-0.1.0\nlinux/`,
  )
})

const cases: readonly {
  title: string
  words: readonly string[]
  status: string
  flags?: string
  text?: RegExp
}[] = [
  {
    title: 'over UDP',
    words: ['example.org'],
    status: 'NOERROR',
    flags: 'qr aa rd',
    text: /_udp\.example\.org\..*SRV/,
  },
  {
    title: 'over TCP',
    words: ['+tcp', 'example.org'],
    status: 'NOERROR',
    flags: 'qr aa rd',
    text: /_tcp\.example\.org\..*SRV/,
  },
  { title: 'over IPv6', words: ['@::1', 'example.org'], status: 'NOERROR', text: /AAAA\s+::1/ },
  {
    title: 'below the zone, in any case',
    words: ['+noedns', 'a.EXAMPLE.org'],
    status: 'NOERROR',
    text: /^;a\.EXAMPLE\.org\./m,
  },
  {
    title: 'without OPT when the query has none',
    words: ['+noedns', 'example.org'],
    status: 'NOERROR',
    text: /ADDITIONAL: 2\n/,
  },
  {
    title: 'with the size of the query',
    words: ['+bufsize=4096', '+dnssec', 'example.org'],
    status: 'NOERROR',
    text: /EDNS: version: 0, flags: do; udp: 4096/,
  },
  {
    title: 'with the cookie of the query',
    words: ['+cookie=0123456789abcdef', 'example.org'],
    status: 'NOERROR',
    text: /COOKIE: 0123456789abcdef \(echoed\)/,
  },
  {
    title: 'BADVERS to EDNS version 1',
    words: ['+edns=1', '+noednsneg', 'example.org'],
    status: 'BADVERS',
    flags: 'qr rd',
    text: /EDNS: version: 0/,
  },
  {
    title: 'NOTIMP to opcode STATUS',
    words: ['+opcode=STATUS', '+noedns', 'example.org'],
    status: 'NOTIMP',
  },
  {
    title: 'NOTIMP to UPDATE',
    words: ['+tcp', '+opcode=UPDATE', '+noedns', 'example.org'],
    status: 'NOTIMP',
  },
  { title: 'REFUSED outside its zones', words: ['example.net'], status: 'REFUSED', flags: 'qr rd' },
  {
    title: 'REFUSED to class CH',
    words: ['-c', 'CH', 'TXT', 'version.example.org'],
    status: 'REFUSED',
  },
  {
    title: 'SERVFAIL where no plugin answers',
    words: ['empty.org'],
    status: 'SERVFAIL',
    flags: 'qr rd',
  },
  { title: 'REFUSED where no plugin takes queries', words: ['config.org'], status: 'REFUSED' },
]
for (const { title, words, status, flags, text } of cases) {
  t.test(`it answers ${title}`, async t => {
    const answer = await dig(port, ...words)
    t.equal(answer.status, status)
    if (flags !== undefined) t.equal(answer.flags, flags)
    if (text !== undefined) t.match(answer.text, text)
    t.notMatch(answer.text, /malformed|mismatch|WARNING: (?!recursion)/)
  })
}

t.test('it listens on the bound address alone', async t => {
  t.match(await dig(boundPort, '@127.0.0.2', 'example.org'), { status: 'NOERROR' })
  await t.rejects(dig(boundPort, '@127.0.0.1', 'example.org'))
})

t.test('it answers from the address that was asked', async t => {
  // dig refuses answers from another address than it asked.
  for (const address of ['@127.0.0.1', '@::1'])
    t.match(await dig(port, address, 'example.org'), { status: 'NOERROR' })
})

t.test('it logs each query in the common format', async () => {
  await dig(port, '+noedns', 'Logged.example.org', 'AAAA')
  await eventually('the line', () =>
    /^\[INFO\] 127\.0\.0\.1:\d+ - \d+ "AAAA IN logged\.example\.org\. udp 36 false 512" NOERROR qr,aa,rd \d+ 0\.\d+s$/m.test(
      server.stdout,
    ),
  )
})

const asked = (id: number, name = 'example.org.') =>
  encodeMessage(message({ id, question: question({ name }) }))

/** Sends these segments, each when the one before was taken, and gives the answers until `count` of them came. */
async function streamed(segments: readonly Uint8Array[], count: number) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await once(socket, 'connect')
  for (const segment of segments) {
    await new Promise(resolve => socket.write(segment, resolve))
    await new Promise(resolve => setImmediate(resolve))
  }
  let rest: Buffer = Buffer.alloc(0)
  const answers: unknown[] = []
  for await (const chunk of socket) {
    const split = splitMessages(Buffer.concat([rest, chunk as Buffer]))
    rest = split.rest
    answers.push(...split.messages.map(decodeMessage))
    if (answers.length >= count) break
  }
  return answers
}

t.test('queries of one connection are answered however they are cut', async t => {
  const stream = Buffer.concat([1, 2, 3].map(id => frame(asked(id))))
  const octets = [...stream].map(octet => Uint8Array.of(octet))
  const want = [1, 2, 3].map(id => ({ message: { id, rcode: 'NOERROR' } }))
  t.match(await streamed([stream], 3), want)
  t.match(await streamed(octets, 3), want)
})

t.test('a thousand idle connections keep nobody out', async t => {
  const sockets = Array.from({ length: 1100 }, () => connect(port, '127.0.0.1'))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  let closed = 0
  for (const socket of sockets) {
    socket.on('error', () => undefined)
    socket.on('close', () => closed++)
  }
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  t.match(await dig(port, '+tcp', 'example.org'), { status: 'NOERROR' })
  await eventually('room for it', () => closed >= 1100 - 1024)
})

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const hostile: readonly { title: string; packet: Uint8Array; rcode: string | undefined }[] = [
  {
    title: 'a response',
    packet: hex('1111 8100 0001 0000 0000 0000 00 0001 0001'),
    rcode: undefined,
  },
  { title: 'half a header', packet: hex('1111 0100 00'), rcode: undefined },
  { title: 'an empty datagram', packet: hex(''), rcode: undefined },
  {
    title: 'a compression loop',
    packet: hex('1111 0100 0001 0000 0000 0000 c00c 0001 0001'),
    rcode: 'FORMERR',
  },
  {
    title: 'a pointer past the end',
    packet: hex('1111 0100 0001 0000 0000 0000 ffff 0001 0001'),
    rcode: 'FORMERR',
  },
  {
    title: 'counts that promise too much',
    packet: hex('1111 0100 0001 0001 0001 0002 00 0001 0001'),
    rcode: 'FORMERR',
  },
  { title: 'no question', packet: hex('1111 0100 0000 0000 0000 0000'), rcode: 'FORMERR' },
  {
    title: 'more than 512 octets',
    packet: Buffer.concat([asked(0x1111), Buffer.alloc(2000)]),
    rcode: 'NOERROR',
  },
  { title: 'octets that are no message', packet: Buffer.alloc(400, 0x5a), rcode: 'NOTIMP' },
]
for (const { title, packet, rcode } of hostile) {
  t.test(`${title}: ${rcode ?? 'silence'}, and the next query is answered`, async t => {
    const answer = await sendDatagram(port, packet, asked(0x2222))
    t.match(
      answer && decodeMessage(answer),
      rcode === undefined ? undefined : { message: { rcode } },
    )
    t.match(await dig(port, 'example.org'), { status: 'NOERROR' })
  })
}

t.test('any octets in a name come back and show escaped in the log', async t => {
  const name = 'a\\.b\\000\\255\\010.example.org.'
  const answer = await sendDatagram(port, asked(0x1111, name), asked(0x2222))
  t.match(answer && decodeMessage(answer), { message: { question: { name }, rcode: 'NOERROR' } })
  await eventually('the line', () => server.stdout.includes(`"A IN ${name} udp`))
})
