import fc from 'fast-check'
import t from 'tap'
import { DerivedSlices } from '#cluster/manifests/derived-slices.ts'
import { Inventory } from '#cluster/manifests/inventory.ts'
import { type ManifestObject, manifestObjectFrom } from '#cluster/manifests/manifest-object.ts'
import type { EndpointSlice } from '#cluster/objects.ts'
import { compileWanted } from '#cluster/selection.ts'
import { Pace } from '#runtime/pace.ts'

const filters = compileWanted({ EndpointSlice: {} })

type Parts = Parameters<typeof manifestObjectFrom>[0]
const object = (file: string, kind: Parts['kind'], value: object): ManifestObject => {
  const apiVersion = kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1'
  const made = manifestObjectFrom({ kind, apiVersion, value, file, line: 1 }, filters)
  if (made === undefined) throw new Error(`${kind} is not kept`)
  return made
}

const name = fc.constantFrom('a', 'b')
const labels = fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'))
const metadata = fc.record({ name, namespace: name, labels })

type Stated = { readonly kind: Parts['kind']; readonly value: object }
const stated: fc.Arbitrary<Stated> = fc.oneof(
  fc.record({
    kind: fc.constant('Service' as const),
    value: fc.record({
      metadata,
      spec: fc.record({ selector: labels, clusterIP: fc.constant('10.0.0.1') }),
    }),
  }),
  fc.record({
    kind: fc.constant('Pod' as const),
    value: fc.record({
      metadata,
      spec: fc.record({ nodeName: name }),
      status: fc.record({ podIP: fc.constantFrom('10.1.0.1', '10.1.0.2') }),
    }),
  }),
  fc.record({
    kind: fc.constant('Endpoints' as const),
    value: fc.record({ metadata, subsets: fc.constant([{ addresses: [{ ip: '192.0.2.1' }] }]) }),
  }),
  fc.record({
    kind: fc.constant('EndpointSlice' as const),
    value: fc.record({
      metadata: fc.record({
        name,
        namespace: name,
        labels: fc.record({ 'kubernetes.io/service-name': name }),
      }),
    }),
  }),
  fc.record({
    kind: fc.constant('Node' as const),
    value: fc.record({
      metadata: fc.record({
        name,
        labels: fc.record({ 'topology.kubernetes.io/zone': fc.constantFrom('z1', 'z2') }),
      }),
    }),
  }),
)
const step = fc.record({ file: name, objects: fc.array(stated, { maxLength: 8 }) })

/** A directory, and what follows it. */
class Directory {
  readonly inventory = new Inventory()
  readonly derived = new DerivedSlices(this.inventory, filters.EndpointSlice)
  /** What a consumer has that is told which slices to look at. */
  readonly seen = new Map<string, EndpointSlice>()

  async write(file: string, objects: readonly Stated[]): Promise<void> {
    const pace = new Pace()
    const made = objects.map(({ kind, value }) => object(file, kind, value))
    const { changes } = await this.inventory.replaceFile(file, made, pace)
    for (const key of await this.derived.update(changes, pace)) {
      const slice = this.derived.get(key)
      if (slice === undefined) this.seen.delete(key)
      else this.seen.set(key, slice)
    }
  }
}

const sorted = (slices: ReadonlyMap<string, EndpointSlice>) =>
  JSON.stringify([...slices].sort(([a], [b]) => (a < b ? -1 : 1)))

t.test('derived step by step or all at once, the slices are the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async steps => {
      const followed = new Directory()
      for (const { file, objects } of steps) await followed.write(file, objects)
      const atOnce = new Directory()
      const last = new Map(steps.map(({ file, objects }) => [file, objects]))
      for (const [file, objects] of last) await atOnce.write(file, objects)
      return sorted(followed.seen) === sorted(atOnce.seen)
    }),
    { numRuns: 300 },
  )
})

t.test('a Pod concerns the Services that select it, and no others', async t => {
  const directory = new Directory()
  const service = (name: string, selector: object): Stated => ({
    kind: 'Service',
    value: { metadata: { name }, spec: { clusterIP: '10.0.0.1', selector } },
  })
  await directory.write('services', [
    service('web', { app: 'web' }),
    service('prod', { app: 'web', env: 'prod' }),
    service('db', { app: 'db' }),
  ])
  const metadata = { name: 'p', labels: { app: 'web', env: 'test' } }
  const pod = object('pods', 'Pod', { metadata, status: { podIP: '10.1.0.1' } })
  const { changes } = await directory.inventory.replaceFile('pods', [pod], new Pace())
  const touched = await directory.derived.update(changes, new Pace())
  t.ok(touched.length > 0)
  t.ok(
    touched.every(key => key.startsWith('default/web-')),
    touched.join(),
  )
})

t.test('without a filter, which is when nobody wants slices, none are derived', async t => {
  const inventory = new Inventory()
  const derived = new DerivedSlices(inventory, undefined)
  const value = { metadata: { name: 'web' }, spec: { selector: { app: 'web' } } }
  const pace = new Pace()
  const { changes } = await inventory.replaceFile('a', [object('a', 'Service', value)], pace)
  t.strictSame(await derived.update(changes, pace), [])
})
