import { addressBits, ipToNumber } from '#net/ip.ts'
import { firstAddress, parsePrefix } from '#net/prefix.ts'
import { isHostName } from './name.ts'

/**
 * The zones that one argument of a plugin means: the name in lower case with a final dot; for a prefix in CIDR form its
 * reverse zones, several where the length is not that of a label (a /15 is two /16). undefined when it means none.
 */
export function zoneNames(text: string): readonly string[] | undefined {
  if (text === '.') return ['.']
  if (text.includes('/')) return reverseZonesOf(text)
  if (!isHostName(text)) return undefined
  const name = text.toLowerCase()
  return [name.endsWith('.') ? name : `${name}.`]
}

function reverseZonesOf(text: string): readonly string[] | undefined {
  const prefix = parsePrefix(text)
  if (prefix === undefined) return undefined
  const { family, length } = prefix
  const [labelBits, base, suffix] = family === 4 ? [8, 10, 'in-addr.arpa.'] : [4, 16, 'ip6.arpa.']
  const labelCount = Math.ceil(length / labelBits)
  const first =
    ipToNumber(firstAddress(prefix)) >> BigInt(addressBits(family) - labelCount * labelBits)
  return Array.from({ length: 2 ** (labelCount * labelBits - length) }, (_, at) => {
    const labels: string[] = []
    for (let rest = first + BigInt(at), label = 0; label < labelCount; label++) {
      labels.push((rest % (1n << BigInt(labelBits))).toString(base))
      rest >>= BigInt(labelBits)
    }
    return [...labels, suffix].join('.')
  })
}
