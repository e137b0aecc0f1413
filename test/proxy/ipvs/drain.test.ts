import t from 'tap'
import type { Destination, ServerId, VirtualServer } from '#linux/ipvs.ts'
import type { IpAddress } from '#net/ip.ts'
import { drainServers, type LeftTable } from '../../../src/proxy/ipvs/drain.ts'
import { destinationKey, serverKey } from '../../../src/proxy/ipvs/server.ts'

const ip = (text: string) => text as IpAddress

/** Virtual servers, each with destinations that have so many connections. */
function machine(servers: Readonly<Record<string, readonly number[]>>) {
  const all = new Map<string, { server: VirtualServer; destinations: Map<string, Destination> }>()
  for (const [text, connections] of Object.entries(servers)) {
    const [protocol, address, port] = text.split(' ') as ['TCP' | 'UDP', string, string]
    const server = { protocol, address: ip(address), port: Number(port) }
    const destinations = connections.map((activeConnections, index): [string, Destination] => {
      const to = { address: ip(`10.0.0.${index + 1}`), port: 8080, weight: 1, isNat: true }
      return [destinationKey(to), { ...to, activeConnections, inactiveConnections: 0 }]
    })
    const whole = { ...server, scheduler: 'rr', flags: 0, timeoutSeconds: 0 } as never
    all.set(serverKey(server), { server: whole, destinations: new Map(destinations) })
  }
  const of = (server: ServerId) => all.get(serverKey(server))?.destinations
  const table: LeftTable = {
    listServers: async () => [...all.values()].map(({ server }) => server),
    removeServer: async server => all.delete(serverKey(server)),
    listDestinations: async server => [...(of(server)?.values() ?? [])],
    removeDestination: async (server, to) => of(server)?.delete(destinationKey(to)) ?? false,
    weigh: async (server, to, weight) => {
      const found = of(server)?.get(destinationKey(to))
      if (found !== undefined) of(server)?.set(destinationKey(to), { ...found, weight })
      return found !== undefined
    },
  }
  const bound = new Set([...all.values()].map(({ server }) => server.address))
  const addresses = {
    list: async () => [...bound],
    unbind: async (a: IpAddress) => bound.delete(a),
  }
  const state = () =>
    Array.from(all, ([key, { destinations }]) => [
      key,
      ...Array.from(destinations.values(), ({ address, weight }) => `${address} ${weight}`),
    ])
  return { all, table, addresses, bound, state }
}

t.test('servers without TCP connections go at once, the others as theirs end', async t => {
  const { all, table, addresses, bound, state } = machine({
    'TCP 10.96.0.1 80': [0, 2],
    'TCP 10.96.0.2 80': [0],
    'UDP 10.96.0.3 53': [5],
    'TCP 10.96.0.4 80': [],
  })
  const looks: unknown[] = []
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    async sleep() {
      looks.push([state(), [...bound]])
      const used = all.get('TCP 10.96.0.1:80')?.destinations as Map<string, Destination>
      const before = used.get('10.0.0.2:8080') as Destination
      const activeConnections = before.activeConnections - 1
      used.set('10.0.0.2:8080', { ...before, activeConnections })
    },
  }
  await drainServers({ table, addresses, clock }, new AbortController().signal)
  const left = [[['TCP 10.96.0.1:80', '10.0.0.2 0']], ['10.96.0.1']]
  t.strictSame(looks, [left, left])
  t.strictSame([state(), [...bound]], [[], []])
})

t.test('it ends with the signal, and leaves what is in use', async t => {
  const { table, addresses, state } = machine({ 'TCP 10.96.0.1 80': [1] })
  const stop = new AbortController()
  const sleep = async () => stop.abort()
  const clock = { now: () => 0, monotonic: () => 0, sleep }
  await drainServers({ table, addresses, clock }, stop.signal)
  t.strictSame(state(), [['TCP 10.96.0.1:80', '10.0.0.1 0']])
})
