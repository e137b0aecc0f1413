import { WireError } from './wire-error.ts'

/** Octets of a name on the wire, lengths and the root included (RFC 1035 section 2.3.4). */
const MAX_NAME_OCTETS = 255
const MAX_LABEL_OCTETS = 63
/** Compression pointers followed for one name: more than any name has labels, so a chain is bounded work. */
const MAX_POINTERS = 126

/** How each octet of a label is written: RFC 1035 section 5.1, and as dig does what is special in zone files. */
const octetTexts = Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet)
  if ('."();@$\\'.includes(char)) return `\\${char}`
  return octet > 0x20 && octet < 0x7f ? char : `\\${String(octet).padStart(3, '0')}`
})

/**
 * Reads the name at `offset`: its text and the offset behind it.
 *
 * dns-packet's name codec is not used: it decodes labels as UTF-8, so that octets above 127 and dots inside labels are lost.
 * @throws {WireError} cut short, too long, a reserved label type, or a pointer that does not lead backwards.
 */
export function readName(packet: Uint8Array, offset: number): { name: string; end: number } {
  let name = ''
  let octets = 0
  let pointers = 0
  let end: number | undefined
  let position = offset
  // A pointer names a prior occurrence (RFC 1035 section 4.1.4). Held to that, no chain of pointers can be a loop.
  let lowest = offset
  for (;;) {
    const length = packet[position]
    if (length === undefined) throw new WireError('a name runs over the end of the message')
    if (length === 0) return { name: name === '' ? '.' : name, end: end ?? position + 1 }
    if (length >= 0xc0) {
      const low = packet[position + 1]
      if (low === undefined) throw new WireError('a name runs over the end of the message')
      end ??= position + 2
      position = ((length & 0x3f) << 8) | low
      if (position >= lowest) throw new WireError('a compression pointer does not lead backwards')
      lowest = position
      if (++pointers > MAX_POINTERS) throw new WireError('too many compression pointers')
      continue
    }
    if (length > MAX_LABEL_OCTETS) throw new WireError('a label of reserved type')
    octets += length + 1
    if (octets >= MAX_NAME_OCTETS) throw new WireError('a name is longer than 255 octets')
    const next = position + 1 + length
    if (next > packet.length) throw new WireError('a name runs over the end of the message')
    for (let at = position + 1; at < next; at++) name += octetTexts[packet[at] as number]
    name += '.'
    position = next
  }
}

/**
 * The labels of a name, each as text with one character per octet (0–255), without the root.
 * @throws {WireError} the text is not a name: an empty or too long label, too long in all, not ASCII, a bad escape.
 */
export function labelsOf(name: string): readonly string[] {
  if (name === '.' || name === '') return []
  const labels = name.includes('\\') ? escapedLabels(name) : plainLabels(name)
  let octets = 1
  for (const label of labels) {
    if (label.length === 0) throw new WireError(`name ${quote(name)}: an empty label`)
    if (label.length > MAX_LABEL_OCTETS) {
      throw new WireError(`name ${quote(name)}: a label is longer than 63 octets`)
    }
    octets += label.length + 1
  }
  if (octets > MAX_NAME_OCTETS) throw new WireError(`name ${quote(name)}: longer than 255 octets`)
  return labels
}

function plainLabels(name: string): readonly string[] {
  for (let index = 0; index < name.length; index++) {
    if (name.charCodeAt(index) > 0x7f) throw new WireError(`name ${quote(name)}: not ASCII`)
  }
  return (name.endsWith('.') ? name.slice(0, -1) : name).split('.')
}

function escapedLabels(name: string): readonly string[] {
  const labels = ['']
  for (const [part, digits, char] of name.matchAll(/\\([0-9]{3})|\\([^0-9])|[\s\S]/g)) {
    const last = labels.length - 1
    if (part === '.') {
      labels.push('')
      continue
    }
    const octet = digits === undefined ? (char ?? part).charCodeAt(0) : Number(digits)
    const misplaced = part === '\\' || (digits === undefined ? octet > 0x7f : octet > 0xff)
    if (misplaced) throw new WireError(`name ${quote(name)}: a bad escape`)
    labels[last] += String.fromCharCode(octet)
  }
  if (labels.at(-1) === '') labels.pop()
  return labels
}

/** The text of a name with these labels, as {@link readName} writes it. */
export function nameOf(labels: readonly string[]): string {
  if (labels.length === 0) return '.'
  let name = ''
  for (const label of labels) {
    for (let index = 0; index < label.length; index++) name += octetTexts[label.charCodeAt(index)]
    name += '.'
  }
  return name
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 80))
