import t from 'tap'
import type { Kind } from '#cluster/objects.ts'
import { Raw } from '#cluster/raw.ts'
import { compileWanted } from '#cluster/selection.ts'
import { SelectorError } from '#cluster/selector.ts'
import type { Selection } from '#cluster/source.ts'

const takes = (kind: Kind, selection: Selection, object: object): boolean | undefined =>
  compileWanted({ [kind]: selection })[kind]?.matches(new Raw(object))

const cases: readonly {
  title: string
  kind: Kind
  selection: Selection
  object: object
  taken: boolean
}[] = [
  {
    title: 'a Service without the label that hands it to another proxy',
    kind: 'Service',
    selection: { labelSelector: '!service.kubernetes.io/service-proxy-name' },
    object: { metadata: { name: 'a', labels: { app: 'a' } } },
    taken: true,
  },
  {
    title: 'not one with that label, whatever its value',
    kind: 'Service',
    selection: { labelSelector: '!service.kubernetes.io/service-proxy-name' },
    object: { metadata: { name: 'a', labels: { 'service.kubernetes.io/service-proxy-name': '' } } },
    taken: false,
  },
  {
    title: 'no headless Service',
    kind: 'Service',
    selection: { fieldSelector: 'spec.clusterIP!=None' },
    object: { metadata: { name: 'a' }, spec: { clusterIP: 'None' } },
    taken: false,
  },
  {
    title: 'by a type that the API server fills in',
    kind: 'Service',
    selection: { fieldSelector: 'spec.type=ClusterIP' },
    object: { metadata: { name: 'a' } },
    taken: true,
  },
  {
    title: 'by a namespace that is not written down',
    kind: 'Pod',
    selection: { fieldSelector: 'metadata.namespace=default,spec.hostNetwork=false' },
    object: { metadata: { name: 'a' } },
    taken: true,
  },
  {
    title: 'by a field that is true or false',
    kind: 'Pod',
    selection: { fieldSelector: 'spec.hostNetwork=true' },
    object: { metadata: { name: 'a' }, spec: { hostNetwork: true } },
    taken: true,
  },
  {
    title: 'only when labels and fields fit',
    kind: 'Node',
    selection: { labelSelector: 'zone=a', fieldSelector: 'metadata.name=n1' },
    object: { metadata: { name: 'n1', labels: { zone: 'b' } } },
    taken: false,
  },
]
for (const { title, kind, selection, object, taken } of cases) {
  t.test(`selected: ${title}`, async t => t.equal(takes(kind, selection, object), taken))
}

t.test('kinds that are not wanted have no filter', async t => {
  t.strictSame(Object.keys(compileWanted({ Service: {}, Pod: undefined as never })), ['Service'])
})

t.test('a field that the API server does not select by is refused, with those it does', async t => {
  t.throws(() => takes('Service', { fieldSelector: 'spec.ports=80' }, {}), SelectorError)
  t.throws(() => takes('Service', { fieldSelector: 'spec.ports=80' }, {}), /spec\.clusterIP/)
})
