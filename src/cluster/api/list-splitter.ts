import { ApiError, parseJson } from './api-error.ts'

/** Longest object of a list or event of a watch, in bytes. etcd refuses objects above 1.5 MiB. */
export const MAX_OBJECT_BYTES = 16 * 1024 * 1024
/** Longest text around the items of a list, in bytes: kind, apiVersion, metadata. */
const MAX_ENVELOPE_BYTES = 1024 * 1024

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Ends in the key `items` of the outermost object; a quote before it would be escaped inside another key. */
const ITEMS_KEY = /(?<!\\)"items"\s*:\s*$/

/**
 * Cuts the JSON of a list (`{"kind": …, "metadata": …, "items": [ … ]}`) into its items while it arrives, so that neither
 * its text nor its objects are ever held whole, however large a page the server sends, and no single JSON.parse keeps
 * the event loop busy. It only finds where items begin and end; JSON.parse of each one checks it.
 */
export class ListSplitter {
  readonly #item = new Pieces(MAX_OBJECT_BYTES, 'an item of the list')
  readonly #envelope = new Pieces(MAX_ENVELOPE_BYTES, 'the head of the list')
  #depth = 0
  #inItems = false
  #inString = false
  #escaped = false

  /**
   * The texts of the items that this chunk completes, in order.
   * @throws {ApiError} an item or what is around the items is too long.
   */
  push(chunk: Uint8Array): readonly string[] {
    const items: string[] = []
    /** Where the bytes begin that belong to the item or the envelope and are not kept yet. */
    let start = 0
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
      } else if (byte === QUOTE) {
        this.#inString = true
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (this.#inItems && this.#depth === 2) start = i
        this.#depth++
        if (byte === OPEN_BRACKET && this.#depth === 2) {
          this.#envelope.add(chunk.subarray(start, i))
          start = i
          this.#inItems = ITEMS_KEY.test(this.#envelope.text())
          if (this.#inItems) this.#envelope.add(chunk.subarray(i, i + 1))
        }
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth--
        if (this.#inItems && this.#depth === 2) {
          this.#item.add(chunk.subarray(start, i + 1))
          items.push(this.#item.take())
        } else if (this.#inItems && this.#depth === 1) {
          this.#inItems = false
          start = i
        }
      }
    }
    if (!this.#inItems) this.#envelope.add(chunk.subarray(start))
    else if (this.#depth > 2) this.#item.add(chunk.subarray(start))
    return items
  }

  /**
   * The list without its items.
   * @throws {ApiError} the text is not JSON, or ended early.
   */
  end(): unknown {
    return parseJson('the head of the list', this.#envelope.take())
  }
}

/** A text that comes in pieces, up to a limit. */
class Pieces {
  readonly #maxBytes: number
  readonly #what: string
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number, what: string) {
    this.#maxBytes = maxBytes
    this.#what = what
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes) {
      throw new ApiError('garbage', `read ${this.#what}: longer than ${this.#maxBytes} bytes`)
    }
    this.#pieces.push(piece)
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  take(): string {
    const text = this.text()
    this.#pieces = []
    this.#bytes = 0
    return text
  }
}
