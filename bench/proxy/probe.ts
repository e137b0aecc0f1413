// Finds out where the connections of a Service go: `node probe.ts ADDRESS`. It serves both endpoints of the probed Service
// itself. For each line on stdin, a port, it makes new connections until one reaches that port, and prints the line.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { probePorts } from './cluster.ts'

const address = process.argv[2] as string
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

/** The port that a new connection reaches. */
async function reached(): Promise<string | undefined> {
  const socket = createSocket('udp4')
  try {
    const answer = new Promise<string | undefined>(resolve => {
      socket.on('message', text => resolve(String(text)))
      socket.on('error', () => resolve(undefined))
      setTimeout(() => resolve(undefined), LIMIT_MS)
      socket.bind({ address: nextSource(), port: 0 }, () => {
        socket.connect(80, address, () => socket.send('?'))
      })
    })
    return await answer
  } finally {
    socket.close()
  }
}

process.stdout.write('ready\n')
for await (const wanted of createInterface({ input: process.stdin })) {
  while ((await reached()) !== wanted);
  process.stdout.write(`${wanted}\n`)
}
// Who asked is gone, and the ports are wanted by the next one.
process.exit()
