import { FLAG, HEADER_OCTETS } from '../wire/header.ts'

/** An answer with the places in it that differ from query to query. Offsets are in octets from its start. */
export type Template = {
  readonly octets: Uint8Array
  /**
   * Parts of names that follow the letter case of the question, the question's own first: where they are in the answer and from
   * where on they are the question's name.
   */
  readonly cases: readonly { readonly at: number; readonly from: number }[]
  /** Every record's TTL, but not OPT's. */
  readonly ttls: readonly number[]
  readonly rotation: Rotation | undefined
  /** Were names compressed? Then the octets depend on how much the client takes. */
  readonly isCompressed: boolean
  readonly isTruncated: boolean
}

/** Addresses of one owner in records of one length. */
export type Rotation = {
  /** Of the first address. */
  readonly at: number
  readonly stride: number
  readonly count: number
  readonly octets: number
}

type Record = {
  readonly start: number
  readonly type: number
  readonly ttlAt: number
  readonly rdataAt: number
  readonly end: number
}

const TYPE_A = 1
const TYPE_AAAA = 28
const TYPE_OPT = 41

/**
 * What is the same in all answers to a question, from the answers to its name in lower and in upper case. undefined: these two
 * differ in more than letters, so one is not made from the other.
 * @param nameLength of the question's name on the wire.
 */
export function templateFrom(
  lower: Uint8Array,
  upper: Uint8Array,
  nameLength: number,
): Template | undefined {
  const nameEnd = HEADER_OCTETS + nameLength
  const view = new DataView(lower.buffer, lower.byteOffset, lower.byteLength)
  const cases = casesOf(lower, upper, nameEnd)
  if (cases === undefined) return undefined
  const counts = [6, 8, 10].map(at => view.getUint16(at))
  const all = recordsOf(lower, nameEnd + 4, counts)
  const records = all.filter(({ type }) => type !== TYPE_OPT)
  return {
    octets: lower,
    cases,
    ttls: records.map(({ ttlAt }) => ttlAt),
    rotation: rotationOf(lower, all.slice(0, counts[0])),
    isCompressed: records.some(({ start }) => ((lower[start] as number) & 0xc0) === 0xc0),
    isTruncated: (view.getUint16(2) & FLAG.TC) !== 0,
  }
}

/** The names that follow the question's: where the two answers differ they end as the question's name does. */
function casesOf(
  lower: Uint8Array,
  upper: Uint8Array,
  nameEnd: number,
): Template['cases'] | undefined {
  if (lower.length !== upper.length) return undefined
  const cases = [{ at: HEADER_OCTETS, from: 0 }]
  let at = nameEnd
  while (at < lower.length) {
    if (lower[at] === upper[at]) {
      at++
      continue
    }
    const from = suffixAt(lower, at, nameEnd)
    if (from === undefined) return undefined
    cases.push({ at, from: from - HEADER_OCTETS })
    at += nameEnd - from
  }
  return cases
}

/** Where in the question's name the octets from `at` on are found, up to the end of the name. */
function suffixAt(answer: Uint8Array, at: number, nameEnd: number): number | undefined {
  for (let from = HEADER_OCTETS; from < nameEnd; from++) {
    const length = nameEnd - from
    if (at + length > answer.length) continue
    let equal = 0
    while (equal < length && answer[at + equal] === answer[from + equal]) equal++
    if (equal === length) return from
  }
  return undefined
}

function recordsOf(
  answer: Uint8Array,
  start: number,
  counts: readonly number[],
): readonly Record[] {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
  const records: Record[] = []
  let at = start
  const total = counts.reduce((sum, count) => sum + count, 0)
  while (records.length < total) {
    const nameEnd = skipName(answer, at)
    const rdataAt = nameEnd + 10
    const end = rdataAt + view.getUint16(nameEnd + 8)
    records.push({ start: at, type: view.getUint16(nameEnd), ttlAt: nameEnd + 4, rdataAt, end })
    at = end
  }
  return records
}

function skipName(answer: Uint8Array, start: number): number {
  let at = start
  for (;;) {
    const length = answer[at] as number
    if (length === 0) return at + 1
    if (length >= 0xc0) return at + 2
    at += length + 1
  }
}

/** The addresses of an answer, where they stand side by side and belong to one name, as those of one question do. */
function rotationOf(answer: Uint8Array, answers: readonly Record[]): Rotation | undefined {
  const first = answers.findIndex(({ type }) => type === TYPE_A || type === TYPE_AAAA)
  const head = answers[first]
  if (head === undefined) return undefined
  const group = answers.slice(first)
  const stride = head.end - head.start
  const isAlike = (record: Record) =>
    record.end - record.start === stride && equalOctets(answer, head, record)
  if (group.length < 2 || !group.every(isAlike)) return undefined
  return { at: head.rdataAt, stride, count: group.length, octets: head.end - head.rdataAt }
}

/** Are two records the same up to their RDATA? */
function equalOctets(answer: Uint8Array, a: Record, b: Record): boolean {
  for (let offset = 0; a.start + offset < a.rdataAt; offset++) {
    if (answer[a.start + offset] !== answer[b.start + offset]) return false
  }
  return true
}
