import t from 'tap'
import type { ManifestObject } from '#cluster/manifests/manifest-object.ts'
import { ManifestError } from '#cluster/manifests/parse-chunk.ts'
import { readManifests } from '#cluster/manifests/read-manifests.ts'
import { compileWanted } from '#cluster/selection.ts'
import { Sharing } from '#cluster/share.ts'
import type { Wanted } from '#cluster/source.ts'
import { Pace } from '#runtime/pace.ts'

const everything: Wanted = {
  Service: {},
  EndpointSlice: {},
  Node: {},
  Namespace: {},
  Pod: {},
  ServiceCIDR: {},
  ServiceImport: {},
}

const read = (text: string | Buffer, file = 'a.yaml', wanted = everything) =>
  readManifests({
    file,
    bytes: Buffer.from(text),
    filters: compileWanted(wanted),
    pace: new Pace(),
    signal: new AbortController().signal,
    sharing: new Sharing(),
  })

const names = (objects: readonly ManifestObject[]) =>
  objects.map(({ key, content }) => `${content.kind} ${key}`)

const service = (name: string) => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\n`
const padding = 'x'.repeat(20_000)

const found: readonly { title: string; text: string; file?: string; want: readonly string[] }[] = [
  { title: 'an empty file', text: '', want: [] },
  {
    title: 'a ServiceImport, where it is wanted',
    text: 'apiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceImport\nmetadata: { name: db, namespace: shop }\nspec: { type: Headless }',
    want: ['ServiceImport shop/db'],
  },
  {
    title: 'a ServiceCIDR, where it is wanted',
    text: 'apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: { name: kubernetes }\nspec: { cidrs: [10.96.0.0/12] }',
    want: ['ServiceCIDR kubernetes'],
  },
  {
    title: 'documents, in their order',
    text: `${service('b')}---\n${service('a')}`,
    want: ['Service default/b', 'Service default/a'],
  },
  {
    title: 'every kind that is read',
    text: ['Service', 'Endpoints', 'Node', 'Namespace', 'Pod']
      .map(kind => `apiVersion: v1\nkind: ${kind}\nmetadata: { name: x, namespace: y }\n`)
      .concat('apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: x }\n')
      .join('---\n'),
    want: [
      'Service y/x',
      'Endpoints y/x',
      'Node x',
      'Namespace x',
      'Pod y/x',
      'EndpointSlice default/x',
    ],
  },
  {
    title: 'other kinds, passed over unread',
    text: `kind: Deployment\nspec: *nothing\n---\n${service('a')}`,
    want: ['Service default/a'],
  },
  {
    title: 'other kinds that look alike',
    text: 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: x }\n',
    want: [],
  },
  {
    title: 'a List',
    text: `kind: List\napiVersion: v1\nitems:\n- ${service('a').trim().replaceAll('\n', '\n  ')}\n`,
    want: ['Service default/a'],
  },
  {
    title: 'a list of one kind, whose items name none',
    text: 'apiVersion: v1\nkind: ServiceList\nitems: [{ metadata: { name: a } }]\n',
    want: ['Service default/a'],
  },
  {
    title: 'a List in a List',
    text: `kind: List\nitems: [{ kind: NodeList, apiVersion: v1, items: [{ metadata: { name: a } }] }]\n`,
    want: ['Node a'],
  },
  {
    title: 'a large list, with its kind at the end',
    text: `apiVersion: v1\nitems:\n- metadata:\n    name: a\n    annotations: { x: ${padding} }\n- metadata: { name: b }\nkind: ServiceList\n`,
    want: ['Service default/a', 'Service default/b'],
  },
  {
    title: 'a large object of another kind that has items',
    text: `kind: Menu\nitems:\n- metadata: { name: ${padding} }\n`,
    want: [],
  },
  {
    title: 'JSON',
    file: 'a.json',
    text: '{"apiVersion":"v1","items":[{"metadata":{"name":"a"}}],"kind":"ServiceList"}',
    want: ['Service default/a'],
  },
  {
    title: 'merge keys',
    text: `x: &x { name: a }\napiVersion: v1\nkind: Service\nmetadata: { <<: *x, namespace: y }\n`,
    want: ['Service y/a'],
  },
  { title: 'a byte order mark', text: `\uFEFF${service('a')}`, want: ['Service default/a'] },
]
for (const { title, text, file, want } of found) {
  t.test(`objects of ${title}`, async t => t.strictSame(names(await read(text, file)), want))
}

const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
  .split('')
  .map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`)
  .join('\n')}\nkind: Service\n`

const refused: readonly { title: string; text: string | Buffer; file?: string; want: object }[] = [
  {
    title: 'a field of the wrong type',
    text: `${service('a')}---\n# here\n${service('b')}spec:\n  ports:\n  - port: 80\n  - name: x\n    port: "81"\n`,
    want: {
      file: 'a.yaml',
      line: 13,
      column: 5,
      field: 'spec.ports[1].port',
      message: '"81" is not a whole number',
    },
  },
  {
    title: 'a missing name: its parent is shown',
    text: 'apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n',
    want: { line: 3, field: 'metadata.name', message: 'missing' },
  },
  {
    title: 'no kind',
    text: `${service('a')}---\nx: 1\n`,
    want: { line: 5, field: 'kind', message: 'missing' },
  },
  { title: 'no object', text: '- 1\n', want: { line: 1, message: '[1] is not an object' } },
  {
    title: 'a name that DNS cannot have',
    text: service('Web_1'),
    want: { line: 3, field: 'metadata.name' },
  },
  {
    title: 'a namespace that DNS cannot have',
    text: 'apiVersion: v1\nkind: Pod\nmetadata: { name: a, namespace: a.b }\n',
    want: { line: 3, field: 'metadata.namespace' },
  },
  {
    title: 'YAML that is none',
    text: `${service('a')}---\nkind: Service\nspec: [\n`,
    want: { line: 7 },
  },
  {
    title: 'a key that stands twice',
    text: 'kind: Service\nspec: {}\nspec: {}\n',
    want: { line: 3, message: 'Map keys must be unique' },
  },
  {
    title: 'an item of a large list',
    text: `kind: List\nitems:\n- ${service(padding).trim().replaceAll('\n', '\n  ')}\n`,
    want: { line: 5, field: 'metadata.name' },
  },
  {
    title: 'an item of a small list',
    text: 'kind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: 1\n',
    want: { line: 6, field: 'metadata.name', message: '1 is not a string' },
  },
  { title: 'aliases that multiply', text: bomb, want: { line: 1, message: /alias/i } },
  {
    title: 'nesting without end',
    text: `kind: Service\nspec: ${'['.repeat(20_000)}`,
    want: { line: 2 },
  },
  {
    title: 'bytes that are no text',
    text: Buffer.from([0x6b, 0xff, 0xfe]),
    want: { message: 'is not UTF-8 text' },
  },
  {
    title: 'JSON that is none',
    file: 'a.json',
    text: '{"kind":"X"}\n{"kind":\n "Service",}',
    want: { file: 'a.json', line: 3 },
  },
  { title: 'JSON cut off', file: 'a.json', text: '\n{"kind": "Service"', want: { line: 2 } },
  {
    title: 'a field in JSON',
    file: 'a.json',
    text: '{"items": [\n  {"metadata": {"name": "a"},\n   "spec": {"selector": {"a": 1}}}\n],\n"kind": "ServiceList", "apiVersion": "v1"}',
    want: { file: 'a.json', line: 3, field: 'spec.selector.a', message: '1 is not a string' },
  },
]
for (const { title, text, file, want } of refused) {
  t.test(`refused, with its place: ${title}`, async t => {
    try {
      await read(text, file)
      t.fail('was accepted')
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error
      t.match(error.problem, want)
    }
  })
}

t.test('only what is wanted is read, and what wanted slices are made from', async t => {
  const text = ['Service', 'Node', 'Namespace', 'Pod']
    .map(kind => `apiVersion: v1\nkind: ${kind}\nmetadata: { name: x }\n`)
    .join('---\n')
  t.strictSame(names(await read(text, 'a.yaml', { Service: {} })), ['Service default/x'])
  const forSlices = await read(text, 'a.yaml', { EndpointSlice: {} })
  t.strictSame(names(forSlices), ['Service default/x', 'Node x', 'Pod default/x'])
  t.ok(forSlices.every(({ content }) => content.kind !== 'Endpoints' && !content.isSelected))
})

t.test(
  'a Pod is ready by its condition; by its address alone when a status has no conditions',
  async t => {
    const readiness = async (status: object) => {
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, status }
      const [pod] = await read(JSON.stringify(object), 'a.json')
      return pod?.content.kind === 'Pod' && pod.content.object.ready
    }
    const podIP = '10.1.0.1'
    t.equal(await readiness({ podIP, conditions: [{ type: 'Ready', status: 'True' }] }), true)
    t.equal(await readiness({ podIP, conditions: [{ type: 'Ready', status: 'False' }] }), false)
    t.equal(await readiness({ podIP, conditions: [] }), false)
    t.equal(await readiness({ podIP }), true)
    t.equal(await readiness({}), false)
  },
)

t.test('a Namespace has the label with its name, which the API server gives it', async t => {
  const [namespace] = await read(
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: a, labels: { b: c } }\n',
  )
  t.match(namespace?.content, {
    object: { metadata: { labels: { b: 'c', 'kubernetes.io/metadata.name': 'a' } } },
  })
})
