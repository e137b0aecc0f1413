import type { Policy } from './options.ts'

/** The order in which servers are tried, as a function of how many queries there were before. */
export function tryOrder<T>(
  servers: readonly T[],
  policy: Policy,
  { round, random }: { readonly round: number; readonly random: () => number },
): readonly T[] {
  switch (policy) {
    case 'sequential':
      return servers
    case 'round_robin': {
      const start = round % servers.length
      return [...servers.slice(start), ...servers.slice(0, start)]
    }
    case 'random':
      return shuffled(servers, random)
  }
}

/** Fisher and Yates's shuffle. */
function shuffled<T>(values: readonly T[], random: () => number): readonly T[] {
  const result = [...values]
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other] as T, result[last] as T]
  }
  return result
}
