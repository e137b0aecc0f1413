import { type Reply, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { Watches } from '#dns/watches.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, patience, queryFor, setupContext } from '../test/helper/dns.ts'
import { metricValue } from '../test/helper/plugin.ts'

// What an answer in the cache takes of memory, beside what the cache counts for it.
// Run: node --expose-gc bench/dns-cache.ts [ENTRIES]

const [entries = 200_000] = process.argv.slice(2).map(Number)
const nameOf = (at: number) => `service-${at}.team-${at % 50}.example.org.`
const zone = new Watches()

const answer = (name: string): Reply => {
  const record = { name, type: 'A', class: 'IN', ttl: 3600 } as const
  const addresses = ['192.0.2.1', '192.0.2.2'].map(address => address as IpAddress)
  return reply({ answers: addresses.map(data => ({ ...record, data })) })
}

const watched = (name: string): Reply => ({
  ...answer(name),
  remember: {
    again: () => answer(name),
    forMs: Number.POSITIVE_INFINITY,
    ttlLeftMs: undefined,
    rotates: false,
    untilChange: forget =>
      zone.watch([`namespace ${name.split('.')[1]}`, `service ${name}`], forget),
  },
})

function heapOctets(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

for (const [title, upstream] of [
  ['of another server', answer],
  ['of a zone that tells of changes', watched],
] as const) {
  const context = setupContext()
  const plugin = await cachePlugin().setup([directive(`cache\nsuccess ${entries * 2}`)], context)
  const handler = plugin.wrap?.(({ question: { name } }) => upstream(name)) as Handler
  const signal = patience()
  const before = heapOctets()
  for (let at = 0; at < entries; at++) await handler(queryFor(nameOf(at), 'A'), signal)
  const each = (heapOctets() - before) / entries
  const counted =
    (await metricValue(context, 'nodeplane_dns_cache_bytes', { type: 'success' })) ?? 0
  const kept = (await metricValue(context, 'coredns_cache_entries', { type: 'success' })) ?? 0
  console.log(
    `${title}: ${kept} entries, ${each.toFixed(0)} octets each, counted ${(counted / kept).toFixed(0)}`,
  )
  const began = performance.now()
  for (let at = 0; at < entries; at++) await handler(queryFor(nameOf(at), 'A'), signal)
  console.log(
    `${title}: a hit takes ${(((performance.now() - began) / entries) * 1000).toFixed(1)} µs`,
  )
  await plugin.stop?.()
}
