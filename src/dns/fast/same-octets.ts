/** Are these the octets of one answer? Rotated, the same octets stand in other places. */
export const isSame = (given: Uint8Array, octets: Uint8Array, rotates: boolean): boolean =>
  rotates
    ? given.length === octets.length && sumOf(given) === sumOf(octets)
    : Buffer.compare(given, octets) === 0

const sumOf = (octets: Uint8Array): number => octets.reduce((sum, octet) => sum + octet, 0)
