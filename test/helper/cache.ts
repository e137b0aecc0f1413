import { type Query, type Reply, type ResourceRecord, reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { cachePlugin } from '#dns/plugins/cache/plugin.ts'
import { soaRecord } from '#dns/zone/records.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive, patience, queryFor, setupContext } from './dns.ts'
import { HeldClock } from './held-clock.ts'

/** What is asked for when nothing else is said. */
export const NAME = 'www.example.org.'

export const a = (ttl: number, name = NAME): ResourceRecord => ({
  name,
  type: 'A',
  class: 'IN',
  ttl,
  data: '192.0.2.1' as IpAddress,
})

export const denial = (rcode: string, ttl = 60, minimum = 60): Reply =>
  reply({ rcode, authorities: [{ ...soaRecord('example.org.', minimum, 1), ttl }] })

type Upstream = (query: Query, count: number) => Reply | undefined | Promise<Reply | undefined>

/** A cache before an upstream that counts how often it is asked. */
export async function serveCached(
  t: { teardown(end: () => unknown): void },
  text: string,
  upstream: Upstream,
) {
  const clock = new HeldClock()
  const context = setupContext()
  const plugin = await cachePlugin(clock).setup([directive(text)], context)
  t.teardown(() => plugin.stop?.())
  let count = 0
  const handler = plugin.wrap?.(async asked => upstream(asked, ++count)) as Handler
  const ask = (parts: Partial<Query> & { name?: string; type?: string } = {}) =>
    Promise.resolve(handler(queryFor(parts.name ?? NAME, parts.type ?? 'A', parts), patience()))
  return { ask, clock, context, asked: () => count }
}

/** The TTL of the first record. */
export const ttlOf = (got: Reply | undefined): number | undefined =>
  [...(got?.answers ?? []), ...(got?.authorities ?? [])][0]?.ttl
