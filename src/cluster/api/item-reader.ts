import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '#runtime/log.ts'
import { objectFromApi } from '../from-api.ts'
import { type Kind, keyOf, type ObjectOf } from '../objects.ts'
import { ConvertError, Raw } from '../raw.ts'
import { Sharing } from '../share.ts'
import type { StoreWriter } from '../store.ts'

/** Objects that cannot be read are told by name, up to this many; then they are only counted. */
const MAX_REPORTED = 50

/**
 * Makes objects of one kind from what the API server sent. One that is wrong is told once and left out: what the store
 * has of it stays, and the others are not affected.
 */
export class ItemReader<K extends Kind> {
  readonly #kind: K
  readonly #store: Pick<StoreWriter, 'get'>
  readonly #log: Logger
  readonly #reported = new Set<string>()
  readonly #sharing = new Sharing({ keepsTexts: true })

  constructor(kind: K, store: Pick<StoreWriter, 'get'>, log: Logger) {
    this.#kind = kind
    this.#store = store
    this.#log = log
  }

  /** The object: the stored one where that is equal, or where the new one is wrong; undefined for none. */
  read(raw: unknown): ObjectOf[K] | undefined {
    let object: ObjectOf[K]
    try {
      const found = new Raw(raw).get('kind').string(this.#kind)
      if (found !== this.#kind) throw new ConvertError('kind', `'${found}' is not ${this.#kind}`)
      object = this.#sharing.share(objectFromApi(this.#kind, raw))
    } catch (error) {
      if (!(error instanceof ConvertError)) throw error
      const key = this.key(raw)
      this.#report(key, error)
      return key === undefined ? undefined : this.#store.get(this.#kind, key)
    }
    const stored = this.#store.get(this.#kind, keyOf(object))
    return stored !== undefined && isDeepStrictEqual(stored, object) ? stored : object
  }

  /** The key of an object of which nothing else needs to be right. */
  key(raw: unknown): string | undefined {
    try {
      const metadata = new Raw(raw).get('metadata')
      const name = metadata.get('name').requiredString()
      const namespace = metadata.get('namespace').string()
      return keyOf(objectFromApi(this.#kind, { metadata: { name, namespace } }))
    } catch (error) {
      if (error instanceof ConvertError) return undefined
      throw error
    }
  }

  #report(key: string | undefined, { message }: ConvertError): void {
    const text = `${key ?? '(unnamed)'} ${message}`
    if (this.#reported.has(text) || this.#reported.size >= MAX_REPORTED) return
    this.#reported.add(text)
    this.#log.warn({ kind: this.#kind, key, reason: message }, 'object left out')
    if (this.#reported.size === MAX_REPORTED) {
      this.#log.warn({ kind: this.#kind }, 'further objects that are left out are not told')
    }
  }
}
