/**
 * Puts `wanted` endpoints into the slots 0 … N-1 with as few moves as can be: what already lies in one of them stays,
 * the others fill the holes in the order of `wanted`. `wanted` has no duplicates; `current` may hold anything.
 */
export function placeEndpoints(
  wanted: readonly string[],
  current: readonly (string | undefined)[],
): readonly string[] {
  // At a start that is all of them, and the list need not be there twice.
  if (current.length === 0) return wanted
  const left = new Set(wanted)
  const slots: (string | undefined)[] = wanted.map((_, slot) => {
    const endpoint = current[slot]
    return endpoint !== undefined && left.delete(endpoint) ? endpoint : undefined
  })
  const rest = left.values()
  const placed = slots.map(endpoint => endpoint ?? (rest.next().value as string))
  // So is it at a restart: neither the list nor its texts need be there twice.
  return placed.every((endpoint, slot) => endpoint === wanted[slot]) ? wanted : placed
}
