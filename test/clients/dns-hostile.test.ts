import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { reply } from '#dns/message.ts'
import { frame } from '#dns/server/framing.ts'
import { encodeMessage } from '#dns/wire/encode.ts'
import { denial } from '../helper/cache.ts'
import { addressRecord, message, question } from '../helper/dns.ts'
import { DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'
import { FakeUpstream, packetOf } from '../helper/fake-upstream.ts'
import { fuzzOptions, hostilePackets } from '../helper/fuzz.ts'

// A server under attack answers others, does not grow, and lives.

const forger = createSocket('udp4')
const good = (name: string) => [addressRecord('192.0.2.1', name)]
const upstream = await FakeUpstream.start(asked => {
  const { name } = asked.message.question ?? { name: '' }
  if (name.startsWith('forged.')) {
    const answers = [addressRecord('203.0.113.66', name)]
    asked.send(packetOf(asked.message, { id: asked.message.id ^ 1, answers }))
    // Everything is right but where it comes from.
    forger.send(packetOf(asked.message, { answers }), asked.from, '127.0.0.1')
  }
  asked.answer(name.startsWith('random') ? denial('NXDOMAIN') : reply({ answers: good(name) }))
})
const port = await freePort()
const corefile = `.:${port} {
  bind 127.0.0.1
  errors {
    consolidate 1h .*
  }
  cache
  forward . ${upstream.address} {
    max_concurrent 1000
  }
}
`
const conf = await writeCorefile(t.testdir(), corefile)
const server = await DnsProcess.start({ args: ['--conf', conf, '--fast-path-workers', '1'] })
t.teardown(async () => {
  forger.close()
  await server[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** What an attack may make the server grow by: caches and buffers that fill once. */
const MAX_GROWTH_MIB = 96

async function residentMiB(): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

async function isServing(...words: readonly string[]): Promise<boolean> {
  const { status, answer } = await dig(port, ...words, 'www.example.org')
  return status === 'NOERROR' && answer.length === 1
}

/** Sends all packets, `window` of them at a time; gives the answers. What is not answered in time is lost. */
async function flood(packets: readonly Uint8Array[], window: number): Promise<readonly Buffer[]> {
  const socket: UdpSocket = createSocket('udp4')
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const answers: Buffer[] = []
  socket.on('message', answer => answers.push(answer))
  for (let at = 0; at < packets.length; at += window) {
    const wave = packets.slice(at, at + window)
    const before = answers.length
    for (const packet of wave) socket.send(packet)
    // The last of a wave is a query that is known, answered by a worker: then all are in.
    await eventually('an answer', () => answers.length > before, 5000)
  }
  await eventually('the rest', async () => isServing())
  socket.close()
  return answers
}

const before = await (async () => {
  await eventually('an answer', () => isServing())
  return residentMiB()
})()

const checkSurvival = async (t: Test) => {
  t.ok(server.isRunning)
  t.ok(await isServing(), 'UDP')
  const grown = (await residentMiB()) - before
  t.ok(grown < MAX_GROWTH_MIB, `it grew by ${grown.toFixed(0)} MiB`)
}

t.test('a flood of random subdomains', async t => {
  const packets = Array.from({ length: 6000 }, (_, at) =>
    encodeMessage(message({ id: at, question: question({ name: `random-${at}.example.org.` }) })),
  )
  const answers = await flood(packets, 100)
  t.ok(answers.length > 3000, `${answers.length} were answered`)
  await checkSurvival(t)
})

t.test('bad packets over UDP, none answered by more than it asks for', async t => {
  const packets = fc.sample(hostilePackets, fuzzOptions(3000)).filter(packet => packet.length > 0)
  const known = encodeMessage(message({ question: question({ name: 'www.example.org.' }) }))
  const waves = packets.flatMap((packet, at) => (at % 50 === 49 ? [packet, known] : [packet]))
  const answers = await flood(waves, 51)
  t.ok(answers.length > packets.length / 50)
  t.ok(answers.every(answer => ((answer[2] ?? 0) & 0x80) !== 0, 'all are responses'))
  await checkSurvival(t)
})

/** A client that comes now is answered whatever others do. How soon is the machine's affair here; turns.test.ts says in which order. */
const untilServingTcp = () =>
  eventually('an answer by TCP', () => isServing('+tcp').catch(() => false))

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  // A server that cuts a connection does what it should.
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  return socket
}

t.test('bad packets over TCP', async t => {
  const packets = fc.sample(hostilePackets, fuzzOptions(500))
  for (let at = 0; at < packets.length; at += 50) {
    const socket = await open()
    socket.resume()
    for (const packet of packets.slice(at, at + 50)) socket.write(frame(packet))
    socket.end(Uint8Array.of(0xff, 0xff, 1, 2, 3))
    await once(socket, 'close')
  }
  t.ok(await isServing('+tcp'), 'TCP')
  await checkSurvival(t)
})

t.test('clients that ask much and read nothing', async t => {
  const query = frame(encodeMessage(message({ question: question({ name: 'www.example.org.' }) })))
  const many = Buffer.concat(Array.from({ length: 2000 }, () => query))
  const sockets = await Promise.all(Array.from({ length: 50 }, open))
  for (const socket of sockets) {
    socket.pause()
    socket.write(many)
  }
  await untilServingTcp()
  await checkSurvival(t)
  for (const socket of sockets) socket.destroy()
})

t.test('3,000 connections that say nothing', async t => {
  const sockets = await Promise.all(Array.from({ length: 3000 }, open))
  // The ones that have been idle longest make room.
  await untilServingTcp()
  await checkSurvival(t)
  for (const socket of sockets) socket.destroy()
})

t.test('1,500 connections that begin a query and do not end it', async t => {
  const sockets = await Promise.all(Array.from({ length: 1500 }, open))
  for (const socket of sockets) socket.write(Uint8Array.of(0, 40, 1))
  await untilServingTcp()
  await checkSurvival(t)
  for (const socket of sockets) socket.destroy()
})

t.test('forged answers of an upstream server: a wrong ID, a wrong port', async t => {
  for (const words of [['forged.example.org'], ['+tcp', 'forged.example.com']]) {
    t.match((await dig(port, ...words)).answer, [/ A 192\.0\.2\.1$/])
  }
})
