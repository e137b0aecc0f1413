/** How a part, a check or a step stands. */
export type Severity = 'OK' | 'WARN' | 'FAIL'

const ranks: Readonly<Record<Severity, number>> = { OK: 0, WARN: 1, FAIL: 2 }

/** The worst of some; OK of none. */
export const worst = (severities: Iterable<Severity>): Severity => {
  let found: Severity = 'OK'
  for (const each of severities) if (ranks[each] > ranks[found]) found = each
  return found
}
