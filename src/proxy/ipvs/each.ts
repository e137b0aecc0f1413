/** Requests under way at a time. */
const AT_A_TIME = 64

/**
 * Does the same for each of many things, some at a time. The first error ends it, but not before what was begun beside it
 * has ended too: nothing goes on behind the back of the repair.
 */
export async function each<T>(
  all: readonly T[],
  work: (one: T) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < all.length; start += AT_A_TIME) {
    const ends = await Promise.allSettled(all.slice(start, start + AT_A_TIME).map(work))
    const failed = ends.find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }
}
