import type { Kind } from '#cluster/objects.ts'

/** An object as the API has it. */
export type ApiObject = {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

type LoggedEvent = { readonly kind: Kind; readonly version: number; readonly line: string }
type Snapshot = { readonly items: readonly ApiObject[]; readonly version: number }

/** One event of a watch, as it goes over the wire. */
export const eventLine = (type: string, object: object): string =>
  `${JSON.stringify({ type, object })}\n`

/** The objects of a test API server and what became of them, by resource versions. */
export class ApiHistory {
  readonly #objects = new Map<Kind, Map<string, ApiObject>>()
  /** Lists that are being given out in pages, by the first part of their continue tokens. */
  readonly #snapshots = new Map<string, Snapshot>()
  #events: LoggedEvent[] = []
  #version = 1000
  /** Nothing before this version is remembered. */
  #oldest = 1000

  /** Adds or replaces an object and gives the event of it. */
  set(kind: Kind, object: ApiObject): string {
    const objects = this.#all(kind)
    const key = keyOf(object)
    const type = objects.has(key) ? 'MODIFIED' : 'ADDED'
    const versioned = this.#stamp(object)
    objects.set(key, versioned)
    return this.#remember(kind, type, versioned)
  }

  get(kind: Kind, key: string): ApiObject | undefined {
    return this.#all(kind).get(key)
  }

  /** Removes an object and gives the event of it. */
  delete(kind: Kind, key: string): string {
    const object = this.#all(kind).get(key)
    if (object === undefined) throw new Error(`${kind} ${key} is not there`)
    this.#all(kind).delete(key)
    return this.#remember(kind, 'DELETED', this.#stamp(object))
  }

  /** The event that only tells the newest version. */
  bookmark(kind: Kind): string {
    const metadata = { resourceVersion: String(++this.#version) }
    return eventLine('BOOKMARK', { kind, metadata })
  }

  /** Forgets what was, also the lists that are being given out. */
  compact(): void {
    this.#oldest = ++this.#version
    this.#events = []
    this.#snapshots.clear()
  }

  /** The events after a version; undefined when it is forgotten. */
  since(kind: Kind, version: number): readonly string[] | undefined {
    if (version < this.#oldest) return undefined
    const events = this.#events.filter(event => event.kind === kind && event.version > version)
    return events.map(({ line }) => line)
  }

  /** A page of a list; undefined when its continue token is forgotten. */
  page(kind: Kind, limit: string | undefined, token: string | undefined): object | undefined {
    const [name = `${kind}${this.#version}`, position = '0'] = token?.split('.') ?? []
    const now = { items: [...this.#all(kind).values()], version: this.#version }
    const snapshot = token === undefined ? now : this.#snapshots.get(name)
    if (snapshot === undefined) return undefined
    const { items, version } = snapshot
    const begin = Number(position)
    const end = limit === undefined ? items.length : begin + Number(limit)
    const remainingItemCount = Math.max(0, items.length - end)
    const more = remainingItemCount === 0 ? {} : { continue: `${name}.${end}`, remainingItemCount }
    if (remainingItemCount > 0) this.#snapshots.set(name, snapshot)
    return {
      kind: `${kind}List`,
      apiVersion: kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1',
      metadata: { resourceVersion: String(version), ...more },
      items: items.slice(begin, end),
    }
  }

  #remember(kind: Kind, type: string, object: ApiObject): string {
    const line = eventLine(type, { kind, ...object })
    this.#events.push({ kind, version: this.#version, line })
    return line
  }

  #stamp(object: ApiObject): ApiObject {
    const resourceVersion = String(++this.#version)
    return { ...object, metadata: { ...object.metadata, resourceVersion } }
  }

  #all(kind: Kind): Map<string, ApiObject> {
    const objects = this.#objects.get(kind) ?? new Map<string, ApiObject>()
    this.#objects.set(kind, objects)
    return objects
  }
}

const keyOf = ({ metadata: { name, namespace } }: ApiObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`
