/** The text of a MAC address: six lower-case hexadecimal octets joined by colons. */
export type MacAddress = string & { readonly __brand: 'MacAddress' }

/** The MAC address that `text` means (any case, colons or hyphens), or undefined. */
export function parseMac(text: string): MacAddress | undefined {
  const lower = text.toLowerCase().replaceAll('-', ':')
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(lower) ? (lower as MacAddress) : undefined
}

/** The six octets in wire order. */
export const macToBytes = (mac: MacAddress): Uint8Array =>
  Uint8Array.from(mac.split(':'), octet => Number.parseInt(octet, 16))

/** The MAC address of six octets. Throws a RangeError for any other length. */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  if (bytes.length !== 6) throw new RangeError(`a MAC address has 6 octets, not ${bytes.length}`)
  return Array.from(bytes, octet => octet.toString(16).padStart(2, '0')).join(':') as MacAddress
}
