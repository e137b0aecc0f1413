import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { AnswerOutput } from '#dns/server/udp-output.ts'
import { BatchSocket } from '#linux/udp-batch.ts'
import type { IpAddress } from '#net/ip.ts'
import { eventually } from '../../helper/eventually.ts'

/** A struct sockaddr_in (linux/in.h): family 2, the port, the address. */
function nameOf(port: number, address = [127, 0, 0, 1]): Uint8Array {
  const name = Buffer.alloc(16)
  name.writeUInt16LE(2, 0)
  name.writeUInt16BE(port, 2)
  name.set(address, 4)
  return name
}

/** Who gets answers, and the first octet and length of what came. */
async function client(t: Test) {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 18 })
  t.teardown(() => socket.close())
  const came: string[] = []
  socket.on('message', packet => came.push(`${packet[0]} × ${packet.length}`))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const name = nameOf((socket.address() as AddressInfo).port)
  return { came, to: { name, control: new Uint8Array(0) } }
}

const answer = (octet: number, length: number) => new Uint8Array(length).fill(octet)

async function setUp(t: Test) {
  const socket = BatchSocket.open('127.0.0.1' as IpAddress, 0)
  t.teardown(() => socket[Symbol.dispose]())
  return { output: new AnswerOutput(socket.fd), one: await client(t), other: await client(t) }
}

t.test('each answer goes to its client, those of one turn in their order', async t => {
  const { output, one, other } = await setUp(t)
  output.add(answer(1, 100), one.to)
  output.add(answer(2, 200), other.to)
  output.add(answer(3, 300), one.to)
  await eventually('the answers', () => one.came.length === 2 && other.came.length === 1)
  t.strictSame(one.came, ['1 × 100', '3 × 300'])
  t.strictSame(other.came, ['2 × 200'])
})

t.test('an answer is as it was when it was added', async t => {
  const { output, one } = await setUp(t)
  const octets = answer(1, 100)
  output.add(octets, one.to)
  octets.fill(9)
  await eventually('the answer', () => one.came.length > 0)
  t.strictSame(one.came, ['1 × 100'])
})

t.test('more answers in one turn than one call sends all arrive, each once', async t => {
  const { output, one } = await setUp(t)
  const octets = Array.from({ length: 100 }, (_, at) => at + 1)
  for (const octet of octets) output.add(answer(octet, 50), one.to)
  await eventually('the answers', () => one.came.length >= octets.length)
  output.add(answer(200, 50), one.to)
  await eventually('one more', () => one.came.length > octets.length)
  t.strictSame(
    one.came,
    [...octets, 200].map(octet => `${octet} × 50`),
  )
})

t.test(
  'an answer without room in the batch is sent whole, one of impossible length is not',
  async t => {
    const { output, one } = await setUp(t)
    output.add(answer(1, 4097), one.to)
    output.add(answer(2, 60_000), one.to)
    // Neither the message of DNS nor the datagram of IPv4 has room for these.
    output.add(answer(3, 65_520), one.to)
    output.add(answer(4, 65_537), one.to)
    output.add(answer(5, 4096), one.to)
    await eventually('the last', () => one.came.includes('5 × 4096'))
    t.strictSame(one.came, ['1 × 4097', '2 × 60000', '5 × 4096'])
  },
)

t.test('an answer that the kernel refuses keeps no other from being sent', async t => {
  const { output, one } = await setUp(t)
  // Port 0 is nobody's (EINVAL).
  output.add(answer(1, 50), { ...one.to, name: nameOf(0) })
  output.add(answer(2, 50), one.to)
  output.add(answer(3, 50), { ...one.to, name: nameOf(0) })
  output.add(answer(4, 50), one.to)
  await eventually('the others', () => one.came.length === 2)
  t.strictSame(one.came, ['2 × 50', '4 × 50'])
})

t.test('what waits is sent at the end', async t => {
  const { output, one } = await setUp(t)
  output.add(answer(1, 50), one.to)
  output[Symbol.dispose]()
  await eventually('the answer', () => one.came.length > 0)
  t.strictSame(one.came, ['1 × 50'])
})
