import t from 'tap'
import { TrafficReader } from '#agent/view/traffic.ts'
import type { ServiceTraffic } from '#proxy/backend.ts'
import { HeldClock } from '../../helper/held-clock.ts'

const KEY = 'shop/web:http/TCP'
const { signal } = new AbortController()

/** A reader of counters that are `n` connections, 10 packets and 100 bytes each. */
function counting(start: number) {
  const counted = { connections: start, reads: 0 }
  const read = async (): Promise<ReadonlyMap<string, ServiceTraffic>> => {
    counted.reads++
    const { connections } = counted
    return new Map([[KEY, { connections, packets: connections * 10, bytes: connections * 100 }]])
  }
  return { counted, read }
}

t.test('families are summed; the first reading has no rates', async t => {
  const reader = new TrafficReader([counting(1).read, counting(2).read], new HeldClock())
  t.strictSame((await reader.read(signal)).get(KEY), { connections: 3, packets: 30, bytes: 300 })
})

t.test('rates are those between two readings', async t => {
  const clock = new HeldClock()
  const { counted, read } = counting(5)
  const reader = new TrafficReader([read], clock)
  await reader.read(signal)
  counted.connections = 25
  clock.advance(4_000)
  t.strictSame((await reader.read(signal)).get(KEY), {
    connections: 25,
    packets: 250,
    bytes: 2_500,
    connectionsPerSecond: 5,
    packetsPerSecond: 50,
    bytesPerSecond: 500,
  })
})

t.test('however many look, the kernel is not read more than every two seconds', async t => {
  const clock = new HeldClock()
  const { counted, read } = counting(1)
  const reader = new TrafficReader([read], clock)
  await Promise.all([reader.read(signal), reader.read(signal)])
  clock.advance(1_999)
  await reader.read(signal)
  t.equal(counted.reads, 1)
  clock.advance(1)
  await reader.read(signal)
  t.equal(counted.reads, 2)
})

t.test('counters that began anew have no negative rate', async t => {
  const clock = new HeldClock()
  const { counted, read } = counting(100)
  const reader = new TrafficReader([read], clock)
  await reader.read(signal)
  counted.connections = 1
  clock.advance(2_000)
  t.equal((await reader.read(signal)).get(KEY)?.connectionsPerSecond, 0)
})

t.test('a reading of long ago makes no rate', async t => {
  const clock = new HeldClock()
  const reader = new TrafficReader([counting(1).read], clock)
  await reader.read(signal)
  clock.advance(61_000)
  t.notOk((await reader.read(signal)).get(KEY)?.connectionsPerSecond)
})
