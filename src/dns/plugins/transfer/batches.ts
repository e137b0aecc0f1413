import type { ResourceRecord } from '../../message.ts'

/** Octets of records in one message at most, but for a single larger record: names in it can still be compressed. */
const BATCH_OCTETS = 16_000

/** Records in groups that fit into messages, in their order. Each takes as much as it would uncompressed. */
export function* batchesOf(
  records: Iterable<ResourceRecord>,
): Generator<readonly ResourceRecord[]> {
  let batch: ResourceRecord[] = []
  let octets = 0
  for (const record of records) {
    const size = sizeOf(record)
    if (batch.length > 0 && octets + size > BATCH_OCTETS) {
      yield batch
      batch = []
      octets = 0
    }
    batch.push(record)
    octets += size
  }
  if (batch.length > 0) yield batch
}

/** At least the octets of the record: its name and head, and its data. */
function sizeOf({ name, data }: ResourceRecord): number {
  const head = name.length + 2 + 10
  if (data instanceof Uint8Array) return head + data.length
  if (Array.isArray(data)) {
    return head + data.reduce((sum, text: Uint8Array) => sum + 1 + text.length, 0)
  }
  if (typeof data === 'string') return head + Math.max(16, data.length + 2)
  const texts = Object.values(data).filter(value => typeof value === 'string')
  return head + 24 + texts.reduce((sum, text) => sum + text.length + 2, 0)
}
