import type { Difference } from './backend.ts'
import { sortedWords } from './iptables/rule.ts'

/**
 * In what a chain of iptables differs from the rules that it should have. Words of a rule may stand in any order, which
 * versions of iptables choose differently; rules may not.
 */
export function ruleDifferences(
  place: string,
  wanted: readonly string[],
  found: readonly string[] | undefined,
): readonly Difference[] {
  if (found === undefined && wanted.length === 0) {
    return [{ place, wanted: 'the chain', found: undefined }]
  }
  const missing = without(wanted, found ?? [])
  const extra = without(found ?? [], wanted)
  if (missing.length + extra.length === 0 && !isSameOrder(wanted, found ?? [])) {
    return [{ place, wanted: wanted.join('; '), found: found?.join('; ') }]
  }
  return [
    ...missing.map(rule => ({ place, wanted: rule, found: undefined })),
    ...extra.map(rule => ({ place, wanted: undefined, found: rule })),
  ]
}

/** Those of the rules that are not among the others; equal ones count. */
function without(rules: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>()
  for (const words of others.map(sortedWords)) counts.set(words, (counts.get(words) ?? 0) + 1)
  return rules.filter(rule => {
    const words = sortedWords(rule)
    const count = counts.get(words) ?? 0
    counts.set(words, count - 1)
    return count <= 0
  })
}

const isSameOrder = (a: readonly string[], b: readonly string[]): boolean =>
  a.every((rule, index) => sortedWords(rule) === sortedWords(b[index] ?? ''))
