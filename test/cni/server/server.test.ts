import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { AnswerFrame, CallFrame } from '#cni/server/frame.ts'
import { CniServerError, startCniServer } from '#cni/server/server.ts'
import { systemClock } from '#runtime/clock.ts'
import { ConfigError } from '#runtime/error.ts'
import { silentLogger } from '#runtime/log.ts'
import { decodeAnswer, encodeRequest } from '../../helper/cni-frame.ts'

const call: CallFrame = { name: 'bridge', self: '/b', env: { A: '1' }, config: Buffer.from('{}') }
const done: AnswerFrame = { exitCode: 0, stdout: 'done', stderr: '' }

let numbers = 0
/** A path short enough for a socket; folders of tests are not. */
const newSocket = () => join(tmpdir(), `cni-server-${process.pid}-${numbers++}`, 'cni.sock')

const start = (
  socket: string,
  answer: (call: CallFrame, signal: AbortSignal) => Promise<AnswerFrame> = async () => done,
  clock = systemClock,
) => startCniServer({ socket, answer, clock, log: silentLogger() }, new AbortController().signal)

async function open(socket: string): Promise<Socket> {
  const connection = connect(socket)
  await once(connection, 'connect')
  return connection
}

/** Sends bytes and reads to the end. */
async function ask(socket: string, bytes: Uint8Array): Promise<Buffer> {
  const connection = await open(socket)
  connection.on('error', () => {})
  const chunks: Buffer[] = []
  connection.on('data', chunk => chunks.push(chunk as Buffer))
  const closed = new Promise(resolve => connection.on('close', resolve))
  connection.write(bytes)
  await closed
  return Buffer.concat(chunks)
}

t.test('a call is answered; only root can connect', async t => {
  const socket = newSocket()
  const seen: CallFrame[] = []
  await using _server = await start(socket, async call => {
    seen.push(call)
    return done
  })
  t.strictSame(decodeAnswer(await ask(socket, encodeRequest(call))), done)
  t.match(seen, [{ name: 'bridge', self: '/b', env: { A: '1' } }])
  t.equal(statSync(socket).mode & 0o777, 0o600)
  t.equal(statSync(join(socket, '..')).mode & 0o777, 0o700)
})

t.test('garbage ends its connection and nothing else', async t => {
  const socket = newSocket()
  await using _server = await start(socket)
  t.equal((await ask(socket, Buffer.alloc(100_000, 'x'))).length, 0)
  const half = await open(socket)
  half.write('NPC1')
  t.strictSame(decodeAnswer(await ask(socket, encodeRequest(call))), done)
  half.destroy()
})

t.test('requests that never end cannot fill the memory', async t => {
  const socket = newSocket()
  await using _server = await start(socket)
  const config = Buffer.alloc(16 * 1024 * 1024)
  const bytes = encodeRequest({ ...call, config }).subarray(0, -1)
  const connections = await Promise.all([1, 2, 3, 4, 5].map(() => open(socket)))
  const answers = connections.map(connection => once(connection, 'data'))
  for (const connection of connections) connection.write(bytes)
  const [answer] = (await Promise.any(answers)) as [Buffer]
  t.match(JSON.parse(decodeAnswer(answer)?.stdout ?? ''), { code: 11, msg: /too many calls/ })
  for (const connection of connections) connection.destroy()
  for (const each of answers) each.catch(() => {})
})

t.test('who asked and has gone is noticed', async () => {
  const socket = newSocket()
  const aborted = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  await using _server = await start(socket, async (_call, signal) => {
    started.resolve()
    signal.addEventListener('abort', () => aborted.resolve())
    await aborted.promise
    return done
  })
  const connection = await open(socket)
  connection.write(encodeRequest(call))
  await started.promise
  connection.destroy()
  await aborted.promise
})

t.test('a call that takes too long is answered: try again later', async t => {
  const socket = newSocket()
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms > 100_000 ? 1 : ms, signal),
  }
  const signals: AbortSignal[] = []
  const never = Promise.withResolvers<AnswerFrame>()
  await using _server = await start(
    socket,
    (_call, signal) => {
      signals.push(signal)
      return never.promise
    },
    clock,
  )
  const answer = decodeAnswer(await ask(socket, encodeRequest(call)))
  t.equal(answer?.exitCode, 1)
  t.match(JSON.parse(answer?.stdout ?? ''), { code: 11, msg: /longer than 110 s/ })
  t.ok(signals[0]?.aborted, 'the work is told')
  never.resolve(done)
})

t.test('a call that cannot be answered ends alone', async t => {
  const socket = newSocket()
  await using _server = await start(socket, async call => {
    if (call.config.length === 0) throw new Error('a bug')
    return done
  })
  const answer = decodeAnswer(await ask(socket, encodeRequest({ ...call, config: Buffer.of() })))
  t.match(JSON.parse(answer?.stdout ?? ''), { code: 11, msg: /a bug/ })
  t.strictSame(decodeAnswer(await ask(socket, encodeRequest(call))), done)
})

t.test('stopping waits for the calls under way and takes the path away', async t => {
  const socket = newSocket()
  const gate = Promise.withResolvers<AnswerFrame>()
  const started = Promise.withResolvers<void>()
  const server = await start(socket, () => {
    started.resolve()
    return gate.promise
  })
  const answer = ask(socket, encodeRequest(call))
  await started.promise
  const stopped = server[Symbol.asyncDispose]()
  t.notOk(existsSync(socket))
  gate.resolve(done)
  await stopped
  t.strictSame(decodeAnswer(await answer), done)
})

t.test('the path that a killed agent left is taken over; that of a living one is not', async t => {
  const socket = newSocket()
  await using first = await start(socket)
  const clock = { ...systemClock, monotonic: () => Date.now() * 1000 }
  await t.rejects(start(socket, undefined, clock), CniServerError)
  t.strictSame(decodeAnswer(await ask(socket, encodeRequest(call))), done)
  t.ok(first)
})

t.test('refused: a folder that others may write to, and a path too long for a socket', async t => {
  const socket = newSocket()
  mkdirSync(join(socket, '..'))
  chmodSync(join(socket, '..'), 0o777)
  await t.rejects(start(socket), ConfigError)
  await t.rejects(start(`/run/${'x'.repeat(110)}`), ConfigError)
})
