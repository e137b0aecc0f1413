import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { serveDnsStream } from '../../../src/dns/server/dns-stream.ts'
import { frame, splitMessages } from '../../../src/dns/server/framing.ts'
import type { PacketHandler, StreamLimits } from '../../../src/dns/server/listener.ts'
import { listenStream } from '../../../src/dns/server/stream-listener.ts'
import { listenTcp } from '../../../src/dns/server/tcp.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { freePort } from '../../helper/dns-process.ts'
import { eventually } from '../../helper/eventually.ts'

// Connections of a TCP listener. Queries are single octets here: the listener does not read them.

const address = '127.0.0.1' as IpAddress
const query = (octet: number): Uint8Array => frame(Uint8Array.of(octet))
const queries = (octets: readonly number[]): Buffer => Buffer.concat(octets.map(query))
const echo: PacketHandler = async packet => packet

/** A client's end of a connection: the first octets of the answers, and whether the server closed it. */
class Client {
  readonly socket: Socket
  readonly answers: number[] = []
  /** Did the server close its end, or cut the connection? */
  hasEnded = false

  constructor(socket: Socket) {
    this.socket = socket
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('end', () => (this.hasEnded = true))
    socket.on('close', () => (this.hasEnded = true))
    socket.on('data', (segment: Buffer) => {
      const split = splitMessages(Buffer.concat([rest, segment]))
      rest = split.rest
      this.answers.push(...split.messages.map(message => message[0] ?? -1))
    })
  }
}

async function listening(handle: PacketHandler, limits: Partial<StreamLimits> = {}) {
  const port = await freePort()
  const listener = await listenTcp({ address, port, handle, limits: () => limits })
  t.teardown(() => listener[Symbol.asyncDispose]())
  return async () => {
    const socket = connect({ port, host: address, allowHalfOpen: true })
    await once(socket, 'connect')
    t.teardown(() => socket.destroy())
    return new Client(socket)
  }
}

/** A handler whose answers come when the test says so. */
function held() {
  const open = new Map<number, () => void>()
  const handle: PacketHandler = packet =>
    new Promise(resolve => open.set(packet[0] ?? -1, () => resolve(packet)))
  return { open, handle }
}

t.test('answers come as they are ready, not in the order of the queries', async t => {
  const { open, handle } = held()
  const client = await (await listening(handle))()
  client.socket.write(queries([1, 2, 3]))
  await eventually('three queries', () => open.size === 3)
  for (const octet of [3, 1, 2]) {
    open.get(octet)?.()
    await eventually('its answer', () => client.answers.includes(octet))
  }
  t.strictSame(client.answers, [3, 1, 2])
})

t.test('64 queries of a connection are answered at one time, the rest waits', async t => {
  const { open, handle } = held()
  const client = await (await listening(handle))()
  const octets = Array.from({ length: 100 }, (_, index) => index)
  client.socket.write(queries(octets))
  await eventually('queries', () => open.size === 64)
  open.get(0)?.()
  await eventually('one more', () => open.size === 65)
  t.strictSame(client.answers, [0])
  for (const octet of octets) {
    const answer = await eventually('the query', () => open.get(octet))
    answer()
  }
  await eventually('all answers', () => client.answers.length === 100)
})

t.test('a client that closes its end still gets its answers', async t => {
  const { open, handle } = held()
  const client = await (await listening(handle))()
  client.socket.end(queries([1, 2]))
  await eventually('both queries', () => open.size === 2)
  for (const answer of open.values()) answer()
  await eventually('the end', () => client.hasEnded)
  t.strictSame(client.answers, [1, 2])
})

t.test('a connection ends after so many queries, and its answers arrive', async t => {
  const client = await (await listening(echo, { maxQueries: 2 }))()
  client.socket.write(queries([1, 2, 3, 4]))
  await eventually('the end', () => client.hasEnded)
  t.strictSame(client.answers, [1, 2])
})

t.test('a connection without a query is closed', async () => {
  const client = await (await listening(echo, { readMs: 50 }))()
  await eventually('the close', () => client.hasEnded)
})

t.test('a query that comes by and by is not waited for', async t => {
  const client = await (await listening(echo, { readMs: 100 }))()
  // Some 600 s for the whole query.
  const timer = setInterval(() => client.socket.write(Uint8Array.of(0xff)), 10)
  t.teardown(() => clearInterval(timer))
  await eventually('the close', () => client.hasEnded)
})

t.test('a connection without a further query is closed', async t => {
  const client = await (await listening(echo, { readMs: 60_000, idleMs: 50 }))()
  client.socket.write(query(1))
  await eventually('the close', () => client.hasEnded)
  t.strictSame(client.answers, [1])
})

t.test('a connection with a query is not idle', async t => {
  const { open, handle } = held()
  const connected = await listening(handle, { readMs: 50, idleMs: 50 })
  const [client, idle] = [await connected(), await connected()]
  client.socket.write(query(1))
  await eventually('the query', () => open.size === 1)
  await eventually('the close of the other', () => idle.hasEnded)
  t.notOk(client.hasEnded)
  open.get(1)?.()
  await eventually('the answer', () => client.answers.length === 1)
})

t.test('a client that does not read is cut, and answers do not pile up for it', async t => {
  let asked = 0
  const handle: PacketHandler = async () => {
    asked++
    return new Uint8Array(60_000)
  }
  const client = await (await listening(handle, { writeMs: 100 }))()
  client.socket.pause()
  client.socket.write(queries(Array.from({ length: 2000 }, () => 1)))
  client.socket.on('error', () => undefined)
  // Writing goes on until the connection is gone: a paused socket does not see the end.
  const timer = setInterval(() => client.socket.write(query(1)), 10)
  t.teardown(() => clearInterval(timer))
  await eventually('the close', () => client.hasEnded)
  t.ok(asked < 500, `${asked} of 2000 queries were answered`)
})

t.test('one connection too many takes the place of the longest idle one', async t => {
  const port = await freePort()
  const { open, handle } = held()
  const limits = { readMs: 60_000, idleMs: 60_000, writeMs: 60_000, maxQueries: 10 }
  const listener = await listenStream(
    { address, port, handle },
    {
      maxConnections: 2,
      start: connections => socket => serveDnsStream(socket, { handle, limits, connections }),
    },
  )
  t.teardown(() => listener[Symbol.asyncDispose]())
  const connected = async () => {
    const socket = connect(port, address)
    await once(socket, 'connect')
    return new Client(socket)
  }
  const busy = await connected()
  busy.socket.write(query(1))
  await eventually('the query', () => open.has(1))
  const idle = await connected()
  const third = await connected()
  await eventually('the close', () => idle.hasEnded)
  third.socket.write(query(3))
  await eventually('the query', () => open.has(3))
  // Now all are busy.
  const fourth = await connected()
  await eventually('the close', () => fourth.hasEnded)
  for (const answer of open.values()) answer()
  await eventually('the answers', () => busy.answers.length + third.answers.length === 2)
  t.notOk(busy.hasEnded)
})
