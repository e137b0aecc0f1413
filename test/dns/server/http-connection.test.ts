import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { Connections } from '../../../src/dns/server/connections.ts'
import { http1Acceptor, serveHttp2 } from '../../../src/dns/server/http-connection.ts'
import type { StreamLimits } from '../../../src/dns/server/listener.ts'
import { eventually } from '../../helper/eventually.ts'

// Connections of HTTP in the clear: what hands sockets over has seen to encryption.

const patient: StreamLimits = { readMs: 60_000, idleMs: 60_000, writeMs: 60_000, maxQueries: 1 }

/** Waits for the end of it, by an error as well. */
const closed = (stream: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
  new Promise(resolve => stream.once('close', resolve))

/** A server whose connections `serve` takes; gives its port. */
async function listening(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => undefined)
    serve(socket)
    t.teardown(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A server of HTTP/2 that answers with so many octets, and a session with it. */
async function session(limits: Partial<StreamLimits>, octets = 1, settings = {}) {
  const connections = new Connections(() => 10)
  const port = await listening(socket =>
    serveHttp2(socket, { limits: { ...patient, ...limits }, connections }, async stream => {
      stream.resume()
      await once(stream, 'end')
      if (stream.closed) return 0
      stream.respond({ ':status': 200 })
      stream.end(new Uint8Array(octets))
      return octets
    }),
  )
  const client = connectHttp2(`http://127.0.0.1:${port}`, { settings })
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  return client
}

t.test('a session without a request is closed', async () => {
  await closed(await session({ readMs: 50 }))
})

t.test('a session without a further request is closed', async t => {
  const client = await session({ idleMs: 50 })
  const stream = client.request({ ':path': '/' })
  const [headers] = await once(stream, 'response')
  t.match(headers, { ':status': 200 })
  stream.resume()
  await closed(client)
})

t.test('a request that does not come whole is ended, its session goes on', async t => {
  const client = await session({ readMs: 100 })
  const stream = client.request({ ':path': '/', ':method': 'POST' }, { endStream: false })
  stream.on('error', () => undefined)
  stream.write('a')
  await closed(stream)
  t.equal(stream.rstCode, 8)
  const next = client.request({ ':path': '/' })
  t.match((await once(next, 'response'))[0], { ':status': 200 })
})

t.test('an answer that is not read is given up', async t => {
  const client = await session({ writeMs: 100 }, 60_000, { initialWindowSize: 10 })
  const stream = client.request({ ':path': '/' })
  stream.on('error', () => undefined)
  await closed(stream)
  t.equal(stream.rstCode, 8)
})

t.test(
  '256 requests of a session at one time, or as many as the limits say, and no more',
  async t => {
    for (const [limits, want] of [
      [{}, 256],
      [{ maxStreams: 3 }, 3],
    ] as const) {
      const client = await session(limits)
      await once(client, 'remoteSettings')
      t.equal(client.remoteSettings.maxConcurrentStreams, want)
    }
  },
)

/** A connection of HTTP/1.1 whose requests are answered when the test says so. */
async function http1(limits: Partial<StreamLimits>) {
  const waiting: (() => void)[] = []
  const connections = new Connections(() => 10)
  const accept = http1Acceptor(async (request, response) => {
    request.resume()
    await once(request, 'end').catch(() => undefined)
    await new Promise<void>(resolve => waiting.push(resolve))
    response.end('x')
    return 1
  })
  const port = await listening(socket =>
    accept(socket, { limits: { ...patient, ...limits }, connections }),
  )
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  t.teardown(() => socket.destroy())
  return { socket, waiting, connections }
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

t.test('HTTP/1.1: headers that come by and by are not waited for', async () => {
  const { socket } = await http1({ readMs: 100 })
  socket.write('GET / HTTP/1.1\r\n')
  const timer = setInterval(() => socket.write('a: b\r\n'), 10)
  t.teardown(() => clearInterval(timer))
  await closed(socket)
})

t.test('HTTP/1.1: a body that does not come is not waited for', async () => {
  const { socket } = await http1({ readMs: 100 })
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\na')
  await closed(socket)
})

t.test('HTTP/1.1: a connection without a further request is closed', async () => {
  const { socket, waiting } = await http1({ idleMs: 50 })
  socket.write(GET)
  const answer = await eventually('the request', () => waiting[0])
  answer()
  await closed(socket)
})

t.test('HTTP/1.1: a client that sends requests and awaits no answer is cut', async t => {
  const { socket, waiting } = await http1({})
  socket.write(GET.repeat(100))
  await closed(socket)
  t.ok(waiting.length <= 16, `${waiting.length} requests were taken`)
})
