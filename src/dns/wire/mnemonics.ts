/** Numbers of one registry and their mnemonics, both ways. */
export type Mnemonics = {
  /** The mnemonic, or the generic form (`TYPE65280`) of a number without one. */
  toText(number: number): string
  /** The number of a mnemonic or of the generic form, in any letter case; undefined for any other text. */
  toNumber(text: string): number | undefined
}

function mnemonics(
  generic: string,
  largest: number,
  known: Readonly<Record<string, number>>,
): Mnemonics {
  const texts = new Map(Object.entries(known).map(([text, number]) => [number, text]))
  const numbers = new Map(Object.entries(known))
  return {
    toText: number => texts.get(number) ?? `${generic}${number}`,
    toNumber(text) {
      const own = numbers.get(text)
      if (own !== undefined) return own
      const upper = text.toUpperCase()
      const number = numbers.get(upper)
      if (number !== undefined || !upper.startsWith(generic)) return number
      const digits = upper.slice(generic.length)
      return /^[0-9]{1,5}$/.test(digits) && Number(digits) <= largest ? Number(digits) : undefined
    },
  }
}

/** Resource record types (IANA "Resource Record (RR) TYPEs"); generic form of RFC 3597 section 5. */
// biome-ignore format: a table reads better than a column.
export const recordTypes = mnemonics('TYPE', 0xffff, {
  A: 1, NS: 2, MD: 3, MF: 4, CNAME: 5, SOA: 6, MB: 7, MG: 8, MR: 9, NULL: 10, WKS: 11, PTR: 12, HINFO: 13, MINFO: 14,
  MX: 15, TXT: 16, RP: 17, AFSDB: 18, RT: 21, SIG: 24, KEY: 25, PX: 26, AAAA: 28, LOC: 29, NXT: 30, SRV: 33, NAPTR: 35,
  KX: 36, CERT: 37, DNAME: 39, OPT: 41, APL: 42, DS: 43, SSHFP: 44, IPSECKEY: 45, RRSIG: 46, NSEC: 47, DNSKEY: 48,
  DHCID: 49, NSEC3: 50, NSEC3PARAM: 51, TLSA: 52, SMIMEA: 53, HIP: 55, CDS: 59, CDNSKEY: 60, OPENPGPKEY: 61, CSYNC: 62,
  ZONEMD: 63, SVCB: 64, HTTPS: 65, SPF: 99, EUI48: 108, EUI64: 109, TKEY: 249, TSIG: 250, IXFR: 251, AXFR: 252,
  ANY: 255, URI: 256, CAA: 257,
})

/** Classes (RFC 1035 section 3.2.4, RFC 2136); generic form of RFC 3597 section 5. */
export const classes = mnemonics('CLASS', 0xffff, { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 })

/** Opcodes (RFC 1035 section 4.1.1, RFC 1996, RFC 2136, RFC 8490). */
export const opcodes = mnemonics('OPCODE', 0xf, {
  QUERY: 0,
  IQUERY: 1,
  STATUS: 2,
  NOTIFY: 4,
  UPDATE: 5,
  DSO: 6,
})

/** Response codes, the extended ones included (RFC 1035 section 4.1.1, RFC 2136, RFC 6891, RFC 8945). */
// biome-ignore format: a table reads better than a column.
export const rcodes = mnemonics('RCODE', 0xfff, {
  NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, YXDOMAIN: 6, YXRRSET: 7, NXRRSET: 8,
  NOTAUTH: 9, NOTZONE: 10, DSOTYPENI: 11, BADVERS: 16, BADKEY: 17, BADTIME: 18, BADMODE: 19, BADNAME: 20, BADALG: 21,
  BADTRUNC: 22, BADCOOKIE: 23,
})
