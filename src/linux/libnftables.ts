import assert from 'node:assert'
import { type NftText, type NftWriter, nftError, wholeText } from './nft.ts'

/** `nft_ctx_new` flags: none (nftables/libnftables.h). */
const NFT_CTX_DEFAULT = 0

/** What libnftables(3) gives, as far as it is used. A context is used by one call at a time. */
type Library = {
  readonly newContext: (flags: number) => unknown
  readonly freeContext: (context: unknown) => void
  readonly bufferOutput: (context: unknown) => number
  readonly bufferError: (context: unknown) => number
  readonly errors: (context: unknown) => string | null
  /** On a thread of its own: 0, or -1 with a text in {@link errors}. */
  readonly run: (context: unknown, text: string) => Promise<number>
}

/**
 * A writer through libnftables in this process, or undefined where the library cannot be loaded. Its netlink socket
 * belongs to the network namespace of the calling thread.
 */
export async function openLibnftables(): Promise<NftWriter | undefined> {
  const library = await load()
  if (library === undefined) return undefined
  const context = library.newContext(NFT_CTX_DEFAULT)
  if (context === null) return undefined
  // Else results and messages go to this process's stdout and stderr.
  library.bufferOutput(context)
  library.bufferError(context)
  return new LibnftablesWriter(library, context)
}

class LibnftablesWriter implements NftWriter {
  readonly #library: Library
  readonly #context: unknown
  /** Settles when the last call has. */
  #last: Promise<unknown> = Promise.resolve()
  #disposed = false

  constructor(library: Library, context: unknown) {
    this.#library = library
    this.#context = context
  }

  apply(pieces: NftText, signal: AbortSignal): Promise<void> {
    const text = wholeText(pieces)
    const result = this.#last.then(() => {
      signal.throwIfAborted()
      assert(!this.#disposed, 'the context of libnftables is freed')
      return this.#run(text)
    })
    this.#last = result.catch(() => {})
    return result
  }

  [Symbol.dispose](): void {
    void this.#last.then(() => {
      this.#disposed = true
      this.#library.freeContext(this.#context)
    })
  }

  async #run(text: string): Promise<void> {
    if ((await this.#library.run(this.#context, text)) === 0) return
    throw nftError(this.#library.errors(this.#context) ?? '', text)
  }
}

async function load(): Promise<Library | undefined> {
  const { default: koffi } = await import('koffi')
  try {
    const library = koffi.load('libnftables.so.1')
    const run = library.func('int nft_run_cmd_from_buffer(void *ctx, const char *text)')
    return {
      newContext: library.func('void *nft_ctx_new(uint32_t flags)'),
      freeContext: library.func('void nft_ctx_free(void *ctx)'),
      bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)'),
      bufferError: library.func('int nft_ctx_buffer_error(void *ctx)'),
      errors: library.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
      run: (context, text) =>
        new Promise((resolve, reject) => {
          run.async(context, text, (error: Error | null, status: number) => {
            if (error) reject(error)
            else resolve(status)
          })
        }),
    }
  } catch {
    return undefined
  }
}
