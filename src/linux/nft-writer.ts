import { openLibnftables } from './libnftables.ts'
import { createChildWriter, type NftRunOptions, type NftWriter } from './nft.ts'

/** Texts from this length on (in characters) go to a child: libnftables would keep the memory it took for them. */
const LARGE_TEXT = 64 * 1024

/**
 * Small texts are written by libnftables in this process (0.5 ms), large ones and those in pieces, and all where the library is not there,
 * by an `nft` child. Use it in the network namespace it was made in.
 */
export async function createNftWriter(options: NftRunOptions = {}): Promise<NftWriter> {
  const library = await openLibnftables()
  const childWriter = createChildWriter(options)
  if (library === undefined) return childWriter
  return {
    apply(text, signal) {
      const isSmall = typeof text === 'string' && text.length < LARGE_TEXT
      return (isSmall ? library : childWriter).apply(text, signal)
    },
    [Symbol.dispose]: () => library[Symbol.dispose](),
  }
}
