import type { DataOf, ResourceRecord, SoaData, SrvData } from '#dns/message.ts'

const texts: Readonly<Record<string, (data: never) => string>> = {
  A: String,
  AAAA: String,
  CNAME: String,
  NS: String,
  PTR: String,
  SRV: ({ priority, weight, port, target }: SrvData) => `${priority} ${weight} ${port} ${target}`,
  MX: ({ preference, exchange }: DataOf<'MX'>) => `${preference} ${exchange}`,
  HINFO: ({ cpu, os }: DataOf<'HINFO'>) => `"${cpu}" "${os}"`,
  SOA: (soa: SoaData) => Object.values(soa).join(' '),
  TXT: (strings: readonly Uint8Array[]) =>
    strings.map(string => `"${Buffer.from(string).toString()}"`).join(' '),
}

/** Records as in a zone file, class left out: `name ttl type data`. */
export const recordsAsText = (records: readonly ResourceRecord[]): readonly string[] =>
  records.map(({ name, ttl, type, data }) => {
    const text = texts[type]?.(data as never) ?? Buffer.from(data as Uint8Array).toString('hex')
    return `${name} ${ttl} ${type} ${text}`
  })
