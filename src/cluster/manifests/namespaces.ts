import type { Namespace } from '../objects.ts'
import type { Filters } from '../selection.ts'
import type { InventoryChange } from './inventory.ts'
import { type ManifestContent, manifestObjectFrom } from './manifest-object.ts'

/** Counts the objects of each namespace: a namespace exists when an object is in it, whether it is written down or not. */
export class UsedNamespaces {
  readonly #objects = new Map<string, number>()

  has(namespace: string): boolean {
    return this.#objects.has(namespace)
  }

  /** Follows changes of the inventory; gives the namespaces that began or ceased to be used. */
  update(changes: readonly InventoryChange[]): readonly string[] {
    const touched = new Set<string>()
    for (const { before, after } of changes) {
      const namespace = namespaceOf(after ?? before)
      if (namespace === '' || (before === undefined) === (after === undefined)) continue
      const count = (this.#objects.get(namespace) ?? 0) + (after === undefined ? -1 : 1)
      if (count > 0) this.#objects.set(namespace, count)
      else this.#objects.delete(namespace)
      touched.add(namespace)
    }
    return [...touched]
  }
}

function namespaceOf(content: ManifestContent | undefined): string {
  if (content === undefined) return ''
  return content.kind === 'Endpoints' ? content.namespace : content.object.metadata.namespace
}

/** The Namespace that the API server would show for a namespace about which nothing is known but its name. */
export function impliedNamespace(name: string, filters: Filters): Namespace | undefined {
  const place = { file: '', line: 0 }
  const value = { metadata: { name } }
  const manifest = { kind: 'Namespace', apiVersion: 'v1', value, ...place } as const
  const content = manifestObjectFrom(manifest, filters)?.content
  return content?.kind === 'Namespace' && content.isSelected ? content.object : undefined
}
