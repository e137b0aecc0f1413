/** Shorter texts are stored by V8 in one piece anyway; longer ones may be views into a whole file, or chains of pieces. */
const VIEWED_FROM_LENGTH = 13
/** Larger records and lists are rarely equal to others. */
const MAX_SHARED_PARTS = 4
/** What is frequent is soon known again after all is forgotten; most parts are never met a second time. */
const MAX_KNOWN = 4096

/**
 * Makes equal parts of objects the same in memory: a cluster says `http`, 8080 and `{ ready: true }` ten thousand times.
 * What it knows is bounded; what it shared stays shared.
 */
export class Sharing {
  readonly #keepsTexts: boolean
  readonly #texts = new Map<string, string>()
  readonly #values = new Map<string, object>()

  /** @param options.keepsTexts long texts are on their own in memory already, as those of `JSON.parse` are; else they are copied. */
  constructor({ keepsTexts = false }: { readonly keepsTexts?: boolean } = {}) {
    this.#keepsTexts = keepsTexts
  }

  /** The same value, with its parts replaced. Takes the value over: it must be fresh, plain data that nobody changes. */
  share<T>(fresh: T): T {
    if (typeof fresh === 'string') return this.#text(fresh) as T
    if (typeof fresh !== 'object' || fresh === null) return fresh
    const parts = fresh as Record<string, unknown>
    let isLeaf = true
    let count = 0
    for (const name in parts) {
      const part = this.share(parts[name])
      parts[name] = part
      if (typeof part === 'object' && part !== null) isLeaf = false
      count++
    }
    const isShared = count <= MAX_SHARED_PARTS && (isLeaf || (Array.isArray(fresh) && count === 1))
    return isShared ? (this.#value(fresh) as T) : fresh
  }

  #text(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const isOwn = this.#keepsTexts || text.length < VIEWED_FROM_LENGTH
    const own = isOwn ? text : (JSON.parse(JSON.stringify(text)) as string)
    know(this.#texts, own, own)
    return own
  }

  #value(value: object): object {
    // With the names, since JSON has no undefined.
    const id = `${Object.keys(value).join()} ${JSON.stringify(value)}`
    const known = this.#values.get(id)
    if (known !== undefined) return known
    know(this.#values, id, value)
    return value
  }
}

function know<T>(known: Map<string, T>, id: string, value: T): void {
  if (known.size >= MAX_KNOWN) known.clear()
  known.set(id, value)
}
