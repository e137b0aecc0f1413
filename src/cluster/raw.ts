import { NodeplaneError } from '#runtime/error.ts'

/** An object of the API, or a manifest, that is not what its kind should be. */
export class ConvertError extends NodeplaneError {
  readonly code = 'ERR_CONVERT'
  /** Path of the field, for example `spec.ports[0].port`. */
  readonly field: string
  constructor(field: string, why: string) {
    super(field === '' ? why : `${field}: ${why}`)
    this.field = field
  }
}

/**
 * One value of untyped JSON with the path to it. Absent and null are the same (the API's convention); a value of the wrong
 * type is an error that names the field.
 */
export class Raw {
  readonly #value: unknown
  readonly #key: string | number
  readonly #parent: Raw | undefined

  /** @param key name or index of the value in `parent`; without parent, the path itself. */
  constructor(value: unknown, key: string | number = '', parent?: Raw) {
    this.#value = value ?? undefined
    this.#key = key
    this.#parent = parent
  }

  /** For example `spec.ports[0].port`. Put together only when somebody asks: nearly all values are right. */
  get path(): string {
    const above = this.#parent?.path ?? ''
    if (typeof this.#key === 'number') return `${above}[${this.#key}]`
    return above === '' ? this.#key : `${above}.${this.#key}`
  }

  /** The value as it came; null is undefined. */
  get value(): unknown {
    return this.#value
  }

  get isAbsent(): boolean {
    return this.#value === undefined
  }

  /** A field of this object; absent when the object is. */
  get(name: string): Raw {
    const object = this.#object()
    const value = object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined
    return new Raw(value, name, this)
  }

  /** The items of a list; none when it is absent. */
  items(): readonly Raw[] {
    if (this.#value === undefined) return []
    if (!Array.isArray(this.#value)) throw this.wrong('a list')
    return this.#value.map((item, index) => new Raw(item, index, this))
  }

  strings(): readonly string[] {
    return this.items().map(item => item.string())
  }

  /** The text, or `absent` ('' when not given). */
  string(absent = ''): string {
    if (this.#value === undefined) return absent
    if (typeof this.#value !== 'string') throw this.wrong('a string')
    return this.#value
  }

  optionalString(): string | undefined {
    return this.#value === undefined ? undefined : this.string()
  }

  requiredString(): string {
    if (this.#value === undefined) throw new ConvertError(this.path, 'missing')
    return this.string()
  }

  optionalNumber(): number | undefined {
    if (this.#value === undefined) return undefined
    if (typeof this.#value !== 'number' || !Number.isInteger(this.#value)) {
      throw this.wrong('a whole number')
    }
    return this.#value
  }

  number(absent = 0): number {
    return this.optionalNumber() ?? absent
  }

  optionalBoolean(): boolean | undefined {
    if (this.#value === undefined) return undefined
    if (typeof this.#value !== 'boolean') throw this.wrong('true or false')
    return this.#value
  }

  boolean(absent = false): boolean {
    return this.optionalBoolean() ?? absent
  }

  /** A number or a string (Kubernetes' IntOrString). */
  numberOrString(): number | string | undefined {
    return typeof this.#value === 'string' ? this.#value : this.optionalNumber()
  }

  /** One of some words, or `absent` when there is none. */
  oneOf<Word extends string>(words: readonly Word[], absent: Word): Word {
    const text = this.string(absent)
    // The constant, not the parsed text: thousands of objects then share one string.
    const word = words.find(candidate => candidate === text)
    if (word === undefined) throw this.wrong(`one of ${words.join(', ')}`)
    return word
  }

  /** A map from strings to strings; undefined when absent. */
  stringMap(): Readonly<Record<string, string>> | undefined {
    const object = this.#object()
    if (object === undefined) return undefined
    // fromEntries defines own properties, so a key like __proto__ is only a key.
    return Object.fromEntries(Object.keys(object).map(key => [key, this.get(key).string()]))
  }

  /** The error for a value of the wrong type. */
  wrong(expected: string): ConvertError {
    const shown = JSON.stringify(this.#value)?.slice(0, 60)
    return new ConvertError(this.path, `${shown} is not ${expected}`)
  }

  #object(): Record<string, unknown> | undefined {
    if (this.#value === undefined) return undefined
    if (typeof this.#value !== 'object' || Array.isArray(this.#value)) throw this.wrong('an object')
    return this.#value as Record<string, unknown>
  }
}
