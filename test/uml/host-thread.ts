// A thread that lives in a network namespace, see host.ts: starting one costs less than starting a process.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import type { Answer, Order, Target } from './host.ts'

const TIMEOUT_MS = 3000
const held = new Map<number, Socket>()

setns(openSync(workerData as string, 'r'), CLONE_NEWNET)

/** Answers `NAME SOURCE` to each connection, and what it is told in it; and `NAME SOURCE` to each datagram. */
async function serve(name: string, port: number): Promise<void> {
  const answer = (source = '') => `${name} ${source.replace('::ffff:', '')}`
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write(answer(socket.remoteAddress))
    socket.pipe(socket)
  })
  await once(server.listen(port, '::'), 'listening')
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' })
    socket.on('message', (_, from) => socket.send(answer(from.address), from.port, from.address))
    await once(socket.bind(port, type === 'udp4' ? '0.0.0.0' : '::'), 'listening')
  }
}

function connect({ host, port }: Target): Promise<{ socket: Socket; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ socket: Socket; text: string }>()
  const socket = createConnection({ host, port, timeout: TIMEOUT_MS })
  socket.once('data', chunk => resolve({ socket, text: String(chunk) }))
  socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })))
  socket.on('error', reject)
  return promise
}

async function askTcp(target: Target): Promise<string> {
  const { socket, text } = await connect(target)
  // At once, without the minutes of TIME_WAIT.
  socket.resetAndDestroy()
  return text
}

async function askUdp({ host, port }: Target): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve('TIMEOUT'), TIMEOUT_MS)
  socket.on('message', text => resolve(String(text)))
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  // Only a connected socket hears of ICMP errors.
  socket.connect(port, host, () => socket.send('?'))
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

async function ask(target: Target, count: number): Promise<readonly string[]> {
  const outcomes: string[] = []
  for (let index = 0; index < count; index++) {
    const outcome = target.protocol === 'tcp' ? askTcp(target) : askUdp(target)
    outcomes.push(
      await outcome.catch((error: NodeJS.ErrnoException) => error.code ?? String(error)),
    )
  }
  return outcomes
}

async function hold(id: number, target: Target): Promise<string> {
  const { socket, text } = await connect(target)
  socket.setTimeout(0)
  socket.on('error', () => held.delete(id))
  held.set(id, socket)
  return text
}

async function say(id: number, text: string): Promise<string> {
  const socket = held.get(id)
  if (socket === undefined) return 'GONE'
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(TIMEOUT_MS) })
  socket.write(text)
  return await answer.then(([chunk]) => String(chunk)).catch(error => String(error))
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'serve':
      return await serve(order.name, order.port)
    case 'ask':
      return await ask(order.target, order.count)
    case 'hold':
      return await hold(order.id, order.target)
    case 'say':
      return await say(order.id, order.text)
    case 'drop':
      return void held.get(order.id)?.resetAndDestroy()
  }
}

parentPort?.on('message', ({ number, order }: { number: number; order: Order }) => {
  const answer: Promise<Answer> = obey(order).then(
    value => ({ number, value }),
    (error: unknown) => ({ number, error: String(error) }),
  )
  void answer.then(message => parentPort?.postMessage(message))
})
