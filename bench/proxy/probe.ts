// Finds out where the connections of a Service go: `node probe.ts ADDRESS`. It serves both endpoints of the probed Service
// itself. For each line on stdin, a port, it makes new connections until one reaches that port, and prints the line.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { probePorts } from './cluster.ts'

const address = process.argv[2] as string
/** Between two connections: as many as it can would leave little of the machine, and thousands of conntrack entries. */
const INTERVAL_MS = 1
/** A datagram that nobody answers is given up for lost. */
const LIMIT_MS = 20

for (const port of probePorts) {
  const server = createSocket('udp4')
  server.on('message', (_, from) => server.send(String(port), from.port, from.address))
  await once(server.bind(port, '127.0.0.1'), 'listening')
}

/** Every connection comes from an address of its own: with a source port again, conntrack would know its way already. */
let connections = 0
function nextSource(): string {
  const number = connections++ % 2 ** 17
  return `198.${18 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
}

/** Makes a connection, and tells what it was answered if it was. */
function connect(onAnswer: (port: string) => void): void {
  const socket = createSocket('udp4')
  const timer = setTimeout(() => socket.close(), LIMIT_MS)
  const end = () => {
    clearTimeout(timer)
    socket.close()
  }
  socket.on('message', text => {
    onAnswer(String(text))
    end()
  })
  socket.on('error', end)
  socket.bind({ address: nextSource(), port: 0 }, () => {
    socket.connect(80, address, () => socket.send('?'))
  })
}

/** Resolves when a new connection reaches this port. One that got lost does not hold up the next. */
async function reaches(wanted: string): Promise<void> {
  const reached = Promise.withResolvers<void>()
  const next = () =>
    connect(port => {
      if (port === wanted) reached.resolve()
    })
  next()
  const timer = setInterval(next, INTERVAL_MS)
  await reached.promise
  clearInterval(timer)
}

process.stdout.write('ready\n')
for await (const wanted of createInterface({ input: process.stdin })) {
  await reaches(wanted)
  process.stdout.write(`${wanted}\n`)
}
// Who asked is gone, and the ports are wanted by the next one.
process.exit()
