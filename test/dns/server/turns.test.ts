import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { frame } from '#dns/server/framing.ts'
import { listenTcp } from '#dns/server/tcp.ts'
import { inTurns, Turns } from '#dns/server/turns.ts'
import type { IpAddress } from '#net/ip.ts'
import { freePort } from '../../helper/dns-process.ts'

/** Asks for turns; says in which order they came. */
function askingOf(turns: Turns, order: string[]) {
  return (connection: string, times: number): void => {
    for (let count = 0; count < times; count++) {
      void (async () => {
        await turns.next(connection)
        order.push(connection)
      })()
    }
  }
}

t.test('a few queries begin at once', t => {
  const turns = new Turns()
  t.equal(turns.next('a'), undefined)
  t.equal(turns.next('b'), undefined)
  t.end()
})

t.test('what is too much for one turn of the event loop goes on in the next ones', async t => {
  const order: string[] = []
  askingOf(new Turns(), order)('a', 200)
  await Promise.resolve()
  t.equal(order.length, 64)
  for (const count of [128, 192, 200]) {
    await nextTurn()
    t.equal(order.length, count)
  }
})

t.test('a newcomer comes up within a round, however many queries others have', async t => {
  const order: string[] = []
  const ask = askingOf(new Turns(), order)
  const others = Array.from({ length: 50 }, (_, at) => `other ${at}`)
  for (const other of others) ask(other, 100)
  await nextTurn()
  const before = order.length
  ask('newcomer', 1)
  while (!order.includes('newcomer')) await nextTurn()
  t.ok(order.indexOf('newcomer') - before <= others.length + 64, `${order.indexOf('newcomer')}`)
  while (order.length < 5001) await nextTurn()
  // The first of them began many at once, and so is through before the others.
  const last = new Set(order.slice(-49))
  t.strictSame(last, new Set(others.slice(1)), 'in rounds to the end')
})

t.test(
  '50 connections with 2,000 queries each that read nothing: one more is answered among them',
  async t => {
    const [CLIENTS, QUERIES] = [50, 2000]
    const [port, host] = [await freePort(), '127.0.0.1' as IpAddress]
    let taken = 0
    const newcomer = Promise.withResolvers<number>()
    const handle = inTurns(new Turns(), async packet => {
      if (packet.length === 1) newcomer.resolve(taken)
      taken++
      return packet
    })
    await using _listener = await listenTcp({ address: host, port, handle })
    const open = async (): Promise<Socket> => {
      const socket = connect(port, host)
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      return socket
    }
    const query = frame(new Uint8Array(30))
    const flood = Buffer.concat(Array.from({ length: QUERIES }, () => query))
    const others = await Promise.all(Array.from({ length: CLIENTS }, open))
    const last = await open()
    for (const socket of others) {
      socket.pause()
      socket.write(flood)
    }
    last.write(frame(new Uint8Array(1)))
    const before = await newcomer.promise
    // Some rounds, not all that was there.
    t.ok(before < (CLIENTS * QUERIES) / 4, `${before} came before it`)
  },
)
