import t from 'tap'
import { ClientRing } from '#dns/fast/client-ring.ts'
import { endpointFrom } from '#linux/udp-batch-address.ts'

/** A struct sockaddr_in6 of an IPv4 client as a socket for both families has it, and of an IPv6 one (linux/in6.h). */
const names = new Uint8Array(64)
names.set([10, 0, 0x30, 0x39], 0)
names.set([0xff, 0xff, 10, 244, 0, 7], 18)
names.set([10, 0, 0x30, 0x39], 32)
names.set([0xfd, 0, 0, 0x10], 40)
names[55] = 9
const words = new Int32Array(names.buffer)
const [IPV4, IPV6] = [0, 8]

const addressOf = (name: Uint8Array) => endpointFrom(name)?.address

/** What a worker writes and what the main thread reads, over one memory as two threads have it. */
function ring() {
  const reader = new ClientRing()
  return { reader, writer: new ClientRing(reader.memory) }
}

const sumsOf = (reader: ClientRing) => {
  const sums: Record<string, number> = {}
  for (const { address, answers } of reader.drain(addressOf))
    sums[address] = (sums[address] ?? 0) + answers
  return sums
}

t.test('clients of both families, for as many answers as they stand for, once', t => {
  const { reader, writer } = ring()
  t.strictSame(reader.drain(addressOf), [])
  writer.note(words, IPV4, 1)
  writer.note(words, IPV6, 64)
  writer.note(words, IPV4, 2)
  t.strictSame(sumsOf(reader), { '10.244.0.7': 3, 'fd00:10::9': 64 })
  t.strictSame(reader.drain(addressOf), [])
  writer.note(words, IPV6, 5)
  t.strictSame(sumsOf(reader), { 'fd00:10::9': 5 })
  t.end()
})

t.test('more than there is room for: the newest stand for all', t => {
  const { reader, writer } = ring()
  for (let round = 0; round < 1_000; round++) {
    writer.note(words, IPV4, 3)
    writer.note(words, IPV6, 1)
  }
  const sums = sumsOf(reader)
  t.ok(reader.memory.byteLength < 10_000)
  // 255 of the 256 newest: about three quarters of all answers are the one's.
  t.ok(Math.abs((sums['10.244.0.7'] ?? 0) - 3_000) < 100, JSON.stringify(sums))
  t.ok(Math.abs((sums['fd00:10::9'] ?? 0) - 1_000) < 100, JSON.stringify(sums))
  t.end()
})
