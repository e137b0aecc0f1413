import { createSocket } from 'node:dgram'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { TimerWheel } from '#dns/plugins/forward/timer-wheel.ts'
import { MAX_PORTS, MAX_QUESTIONS, PORT_LIFE_MS, UdpPorts } from '#dns/plugins/forward/udp-ports.ts'
import { type Asked as Question, readAnswer, toAsk } from '#dns/plugins/forward/upstream-message.ts'
import type { IpAddress } from '#net/ip.ts'
import { addressRecord, queryFor } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'
import { type Asked, FakeUpstream, packetOf } from '../../../helper/fake-upstream.ts'
import { fuzzOptions } from '../../../helper/fuzz.ts'

const NO_TIME_MS = 60_000

/** Ports to a server on loopback; `clock.nowMs` is the time of their wheel. */
function portsTo(t: Test, port: number) {
  const clock = { nowMs: 0 }
  const wheel = new TimerWheel(() => clock.nowMs)
  const taken: boolean[] = []
  const ports = new UdpPorts({
    peer: { address: '127.0.0.1' as IpAddress, port },
    wheel,
    onTaken: reused => taken.push(reused),
  })
  t.teardown(() => {
    ports.close()
    wheel.stop()
  })
  return { ports, clock, taken }
}

const nameOf = (at: number): string => `name-${at}.example.org.`
const addressOf = (at: number): string => `198.18.${at >> 8}.${at & 255}`
const isNumbered = ({ message }: Asked, at: number) => message.question?.name === nameOf(at)

/** Answers as a proper server does: the address is that of the name. */
const answerTo = ({ message, answer }: Asked): void => {
  const name = message.question?.name ?? '.'
  answer({ answers: [addressRecord(addressOf(Number(/\d+/.exec(name)?.[0])), name)] })
}

/** Asks for a name; gives its address. */
function ask(ports: UdpPorts, at: number, timeoutMs = NO_TIME_MS) {
  const asked: Question = toAsk(queryFor(nameOf(at)))
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const exchange = ports.exchange({
    packet: asked.packet,
    accept: packet => readAnswer(packet, asked, 'udp'),
    timeoutMs,
    onAnswer: ({ answers }) => resolve(answers[0]?.data),
    onFailure: reject,
  })
  return { answer: promise, exchange }
}

t.test('answers find their questions in whatever order they come', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ports } = portsTo(t, upstream.port)
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(60_000), { minLength: 1, maxLength: 100 }),
      fc.infiniteStream(fc.nat()),
      async (names, order) => {
        asked.length = 0
        const answers = names.map(at => ask(ports, at).answer)
        await eventually('all questions', () => asked.length === names.length)
        while (asked.length > 0) {
          for (const question of asked.splice(order.next().value % asked.length, 1)) {
            answerTo(question)
          }
        }
        const got = await Promise.all(answers)
        return got.every((address, index) => address === addressOf(names[index] as number))
      },
    ),
    fuzzOptions(10),
  )
})

t.test('only the answer counts: ID, question and server are as they were asked', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  await using other = await FakeUpstream.start(() => undefined)
  const { ports } = portsTo(t, upstream.port)
  const { answer } = ask(ports, 1)
  const question = await eventually('the question', () => asked[0])
  const { message } = question
  const forged = [addressRecord('203.0.113.66', nameOf(1))]
  const asking = { name: nameOf(1), type: 'A', class: 'IN' }
  for (let bit = 0; bit < 16; bit++) {
    question.send(packetOf(message, { id: message.id ^ (1 << bit), answers: forged }))
  }
  for (const wrong of [
    { ...asking, name: nameOf(2) },
    { ...asking, type: 'AAAA' },
    { ...asking, class: 'CH' },
  ]) {
    question.send(packetOf(message, { question: wrong, answers: forged }))
  }
  question.send(packetOf(message, { question: undefined, answers: forged }))
  question.send(packetOf(message, { isResponse: false, answers: forged }))
  question.send(Uint8Array.of(message.id >> 8, message.id & 0xff))
  const stranger = createSocket('udp4')
  stranger.send(packetOf(message, { answers: forged }), question.from, '127.0.0.1')
  await new Promise(resolve => stranger.close(() => resolve(undefined)))
  answerTo(question)
  t.equal(await answer, addressOf(1))
  t.equal(other.asked.length, 0)
})

t.test('an error without question is an answer: the server could not read it', async t => {
  await using upstream = await FakeUpstream.start(({ message, send }) =>
    send(packetOf(message, { question: undefined, rcode: 'FORMERR' })),
  )
  const { ports } = portsTo(t, upstream.port)
  t.equal(await ask(ports, 1).answer, undefined)
})

t.test('what comes too late is for nobody, also when its ID is another question’s', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ports, clock } = portsTo(t, upstream.port)
  const late = ask(ports, 1, 2000)
  await eventually('the question', () => asked.length === 1)
  const lost = t.rejects(late.answer, { message: 'no answer within 2000 ms' })
  clock.nowMs += 2100
  await lost
  const given = ask(ports, 2)
  given.exchange.cancel()
  const { answer } = ask(ports, 3)
  await eventually('the other questions', () => asked.length === 3)
  const third = asked.find(question => isNumbered(question, 3)) as Asked
  for (const question of asked.filter(one => one !== third)) {
    answerTo(question)
    third.send(packetOf(question.message, { id: third.message.id }))
  }
  answerTo(third)
  t.equal(await answer, addressOf(3))
})

t.test(
  'each question has a port while there are few, and no port is asked from for long',
  async t => {
    await using upstream = await FakeUpstream.start(answerTo)
    const { ports, clock, taken } = portsTo(t, upstream.port)
    const portsOf = (from: number) => new Set(upstream.asked.slice(from).map(asked => asked.from))
    for (let at = 0; at < MAX_PORTS; at++) await ask(ports, at).answer
    t.equal(portsOf(0).size, MAX_PORTS, 'few questions: a port each')
    t.equal(taken.includes(true), false)
    const count = MAX_PORTS * MAX_QUESTIONS
    const uses = new Map<number, number>()
    for (let at = 0; at < count; at += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, more) => ask(ports, at + more).answer))
    }
    for (const { from } of upstream.asked) uses.set(from, (uses.get(from) ?? 0) + 1)
    t.ok(uses.size > MAX_PORTS, `${uses.size} ports in ${count} questions`)
    t.ok(Math.max(...uses.values()) <= MAX_QUESTIONS * 2, 'a port came twice at most')
    const former = portsOf(0)
    clock.nowMs += PORT_LIFE_MS + 20
    // Ports that are over are closed when the wheel turns.
    const before = upstream.asked.length
    await eventually('new ports', async () => {
      await ask(ports, 1).answer
      return [...portsOf(before)].some(port => !former.has(port))
    })
  },
)

t.test('IDs are spread over all there are', async t => {
  await using upstream = await FakeUpstream.start(answerTo)
  const { ports } = portsTo(t, upstream.port)
  for (let at = 0; at < 1024; at += 64) {
    await Promise.all(Array.from({ length: 64 }, (_, more) => ask(ports, at + more).answer))
  }
  const ids = upstream.asked.map(({ message }) => message.id)
  t.ok(new Set(ids).size > 1000, 'of 1024 random ones about eight come twice')
  for (let bit = 0; bit < 16; bit++) {
    const set = ids.filter(id => (id >> bit) & 1).length
    // A fair coin leaves this range once in 10^9 times.
    t.ok(set > 412 && set < 612, `bit ${bit}: ${set} of 1024`)
  }
})

t.test('a server that dies fails its questions; when it is back it is asked again', async t => {
  const asked: Asked[] = []
  const upstream = await FakeUpstream.start(question => asked.push(question))
  const { port } = upstream
  const { ports, clock } = portsTo(t, port)
  const waiting = Array.from({ length: 100 }, (_, at) => ask(ports, at, 2000).answer)
  const outcomes = Promise.allSettled(waiting)
  await eventually('all questions', () => asked.length === 100)
  await upstream[Symbol.asyncDispose]()
  await t.rejects(ask(ports, 1).answer, { code: 'ECONNREFUSED' }, 'at once')
  clock.nowMs += 2100
  for (const { status } of await outcomes) if (status !== 'rejected') t.fail('an answer of nobody')
  const server = createSocket('udp4')
  t.teardown(() => server.close())
  server.on('message', (packet, { port: to }) => {
    packet[2] = (packet[2] as number) | 0x80
    server.send(packet, to, '127.0.0.1')
  })
  await new Promise(resolve => server.bind(port, '127.0.0.1', () => resolve(undefined)))
  t.equal(await ask(ports, 1).answer, undefined)
})

t.test('4096 questions under way: each is answered', async t => {
  const asked: Asked[] = []
  await using upstream = await FakeUpstream.start(question => asked.push(question))
  const { ports } = portsTo(t, upstream.port)
  const waiting = []
  // In pieces, so that none is lost in the server's socket.
  for (let at = 0; at < 4096; at++) {
    waiting.push(ask(ports, at).answer)
    if (at % 64 === 63) await eventually('the questions', () => asked.length === at + 1)
  }
  for (const [count, question] of asked.toReversed().entries()) {
    answerTo(question)
    if (count % 64 === 63) await new Promise(resolve => setImmediate(resolve))
  }
  const got = await Promise.all(waiting)
  t.ok(got.every((address, at) => address === addressOf(at)))
})

t.test('a socket that cannot be opened fails its question', async t => {
  const wheel = new TimerWheel(() => performance.now())
  const ports = new UdpPorts({
    peer: {
      address: '192.0.2.1' as IpAddress,
      port: 53,
      sourceAddress: '192.0.2.77',
    },
    wheel,
    onTaken: () => undefined,
  })
  t.teardown(() => wheel.stop())
  await t.rejects(ask(ports, 1).answer, { code: 'EADDRNOTAVAIL' })
})
