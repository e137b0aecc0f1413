import t from 'tap'
import type { Destination } from '#linux/ipvs.ts'
import type { IpAddress } from '#net/ip.ts'
import { type DrainedTable, DrainingDestinations } from '../../../src/proxy/ipvs/draining.ts'
import { destinationKey } from '../../../src/proxy/ipvs/server.ts'

const server = { protocol: 'TCP', address: '10.96.0.1' as IpAddress, port: 80 } as const
const KEY = 'TCP 10.96.0.1:80'

/** The destinations of one virtual server, with so many connections each. */
class FakeTable implements DrainedTable {
  readonly destinations = new Map<string, Destination>()
  readonly log: string[] = []

  constructor(connections: Readonly<Record<string, number>>) {
    for (const [ip, activeConnections] of Object.entries(connections)) {
      const address = ip as IpAddress
      const destination = { address, port: 80, weight: 1, isNat: true, activeConnections }
      this.destinations.set(`${ip}:80`, { ...destination, inactiveConnections: 0 })
    }
  }

  change(ip: string, change: Partial<Destination>): void {
    this.destinations.set(`${ip}:80`, {
      ...(this.destinations.get(`${ip}:80`) as Destination),
      ...change,
    })
  }

  weights(): Record<string, number> {
    return Object.fromEntries([...this.destinations].map(([key, { weight }]) => [key, weight]))
  }

  async listDestinations(): Promise<readonly Destination[]> {
    return [...this.destinations.values()]
  }

  async weigh(
    _: unknown,
    to: { address: IpAddress; port: number },
    weight: number,
  ): Promise<boolean> {
    this.log.push(`weigh ${to.address}`)
    if (!this.destinations.has(destinationKey(to))) return false
    this.change(to.address, { weight })
    return true
  }

  async removeDestination(_: unknown, to: { address: IpAddress; port: number }): Promise<boolean> {
    this.log.push(`remove ${to.address}`)
    return this.destinations.delete(destinationKey(to))
  }
}

const to = (ip: string) => ({ address: ip as IpAddress, port: 80 })

t.test(
  'a destination without connections goes at once, one with connections when they end',
  async t => {
    const table = new FakeTable({ '10.0.0.1': 0, '10.0.0.2': 3, '10.0.0.3': 1 })
    const draining = new DrainingDestinations(table)
    await draining.retire(server, [to('10.0.0.1'), to('10.0.0.2')])
    t.strictSame(table.weights(), { '10.0.0.2:80': 0, '10.0.0.3:80': 1 })
    t.ok(table.log.indexOf('weigh 10.0.0.1') < table.log.indexOf('remove 10.0.0.1'), 'weight first')
    t.ok(draining.has(KEY, '10.0.0.2:80'))

    table.change('10.0.0.2', { activeConnections: 0, inactiveConnections: 1 })
    await draining.removeIdle()
    t.ok(draining.has(KEY, '10.0.0.2:80'), 'one that closes is a connection')

    table.change('10.0.0.2', { inactiveConnections: 0 })
    await draining.removeIdle()
    t.strictSame(table.weights(), { '10.0.0.3:80': 1 })
    t.notOk(draining.has(KEY, '10.0.0.2:80'))
  },
)

t.test('UDP and SCTP destinations go at once', async t => {
  for (const protocol of ['UDP', 'SCTP'] as const) {
    const table = new FakeTable({ '10.0.0.1': 5 })
    await new DrainingDestinations(table).retire({ ...server, protocol }, [to('10.0.0.1')])
    t.strictSame(table.log, ['remove 10.0.0.1'])
  }
})

t.test('a destination that is wanted again is left alone', async t => {
  const table = new FakeTable({ '10.0.0.1': 1 })
  const draining = new DrainingDestinations(table)
  await draining.retire(server, [to('10.0.0.1')])
  draining.revive(server, to('10.0.0.1'))
  table.change('10.0.0.1', { activeConnections: 0, weight: 1 })
  await draining.removeIdle()
  t.strictSame(table.weights(), { '10.0.0.1:80': 1 })
})

t.test('what others have removed is forgotten', async t => {
  const table = new FakeTable({ '10.0.0.1': 1 })
  const draining = new DrainingDestinations(table)
  await draining.retire(server, [to('10.0.0.1'), to('10.0.0.9')])
  t.notOk(draining.has(KEY, '10.0.0.9:80'))
  table.destinations.clear()
  await draining.removeIdle()
  t.notOk(draining.has(KEY, '10.0.0.1:80'))
  draining.forget(server)
})
