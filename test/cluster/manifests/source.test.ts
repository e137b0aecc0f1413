import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { manifestSource } from '#cluster/manifests/source.ts'
import type { Kind } from '#cluster/objects.ts'
import { SelectorError } from '#cluster/selector.ts'
import type { Wanted } from '#cluster/source.ts'
import { Store } from '#cluster/store.ts'
import { silentLogger } from '#runtime/log.ts'
import { eventually } from '../../helper/eventually.ts'

const everything: Wanted = { Service: {}, EndpointSlice: {}, Node: {}, Namespace: {}, Pod: {} }

type LogLine = {
  readonly level: number
  readonly msg: string
  readonly problem?: string
  readonly places?: string[]
}

/** A source that runs until the test ends, the store it fills, and what it logs. */
function start(t: Test, directory: string, wanted: Wanted = everything) {
  const store = new Store()
  const logged: LogLine[] = []
  const log = pino({ level: 'info' }, { write: line => logged.push(JSON.parse(line) as LogLine) })
  const abort = new AbortController()
  // Looks so often that events only make it faster, and settles so fast that tests do not wait.
  const timing = { settleMs: 5, maxSettleMs: 100, pollMs: 50 }
  const run = manifestSource(directory, { wanted, log }, timing).run(store, abort.signal)
  t.teardown(async () => {
    abort.abort()
    await run
  })
  return { store, logged, run, abort }
}

const isSynced = (store: Store, wanted: Wanted = everything) =>
  (Object.keys(wanted) as Kind[]).every(kind => store.isSynced(kind))

/** {@link start}, and waits for the first listing. */
async function started(t: Test, directory: string, wanted: Wanted = everything) {
  const source = start(t, directory, wanted)
  await eventually('the first listing', () => isSynced(source.store, wanted))
  return source
}

type ServiceParts = { name?: string; clusterIP?: string; selector?: string; spec?: string }
const service = ({
  name = 'web',
  clusterIP = '10.96.0.1',
  selector,
  spec = '',
}: ServiceParts = {}) =>
  `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  clusterIP: ${clusterIP}
  ports: [{ port: 80 }]
${selector === undefined ? '' : `  selector: { app: ${selector} }\n`}${spec}---
`
const pod = (name: string, ip: string, app = 'web') =>
  `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${app} } }
spec: { nodeName: n1 }
status: { podIP: ${ip} }
---
`

const clusterIp = (store: Store, key = 'shop/web') => store.get('Service', key)?.clusterIP
/** The addresses of all slices of a Service, sorted. */
const addresses = (store: Store, name = 'web') =>
  [...store.list('EndpointSlice')]
    .filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === name)
    .flatMap(({ endpoints }) => endpoints.flatMap(endpoint => endpoint.addresses))
    .sort((a, b) => (a < b ? -1 : 1))
    .join()
const errors = (logged: readonly LogLine[]) => logged.filter(({ level }) => level >= 50)
const warnings = (logged: readonly LogLine[]) => logged.filter(({ level }) => level === 40)

t.test('a Service never comes before the slices and pods of its file', async t => {
  const directory = t.testdir({ 'empty.yaml': '' })
  const { store } = await started(t, directory)
  const set = store.set.bind(store)
  const seen: string[] = []
  store.set = (kind, object) => {
    set(kind, object)
    if (kind === 'Service') seen.push(addresses(store))
  }
  await writeFile(
    join(directory, 'web.yaml'),
    service({ selector: 'web' }) + pod('web-0', '10.1.0.1') + pod('web-1', '10.1.0.2'),
  )
  await eventually('the Service', () => clusterIp(store) !== undefined)
  t.strictSame(seen, ['10.1.0.1,10.1.0.2'])
})

t.test('objects of YAML and JSON files are in the store, with the namespaces they use', async t => {
  const directory = t.testdir({
    'web.yaml': `${service()}apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web, namespace: other }\n`,
    'b.yml': pod('web-0', '10.1.0.1'),
    'node.json': JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }),
    'README.md': 'not: [a manifest',
    '.hidden.yaml': 'not: [a manifest',
    nested: { 'deep.yaml': service({ name: 'deep' }) },
    'folder.yaml': {},
  })
  const { store, logged } = await started(t, directory)
  t.equal(clusterIp(store), '10.96.0.1')
  t.ok(store.get('Pod', 'shop/web-0'))
  t.ok(store.get('Node', 'n1'))
  t.equal(store.get('Service', 'shop/deep'), undefined)
  t.strictSame(
    [...store.list('Namespace')].map(({ metadata }) => metadata.name),
    ['shop'],
  )
  t.strictSame(errors(logged), [])
})

t.test('an empty directory is a complete listing', async t => {
  const { store } = await started(t, t.testdir({}))
  t.strictSame([...store.list('Service')], [])
})

t.test('kinds that are not wanted are not in the store', async t => {
  const directory = t.testdir({ 'a.yaml': service({ selector: 'web' }) + pod('web-0', '10.1.0.1') })
  const { store } = await started(t, directory, { EndpointSlice: {} })
  t.equal(addresses(store), '10.1.0.1')
  t.strictSame([...store.list('Service'), ...store.list('Pod'), ...store.list('Namespace')], [])
  t.notOk(store.isSynced('Service'))
})

t.test('selections hold for what is written down and for what is derived', async t => {
  const directory = t.testdir({
    'a.yaml':
      service({ selector: 'web' }) +
      service({ name: 'headless', clusterIP: 'None', selector: 'web' }) +
      pod('web-0', '10.1.0.1'),
    'b.yaml':
      'apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\n---\napiVersion: v1\nkind: Node\nmetadata: { name: n2 }\n',
  })
  const { store } = await started(t, directory, {
    Service: { fieldSelector: 'spec.clusterIP!=None' },
    EndpointSlice: { labelSelector: '!service.kubernetes.io/headless' },
    Node: { fieldSelector: 'metadata.name=n1' },
    Namespace: { labelSelector: 'kubernetes.io/metadata.name notin (shop)' },
  })
  t.strictSame(
    [...store.list('Service')].map(({ metadata }) => metadata.name),
    ['web'],
  )
  t.equal(addresses(store, 'web'), '10.1.0.1')
  t.equal(addresses(store, 'headless'), '')
  t.strictSame(
    [...store.list('Node')].map(({ metadata }) => metadata.name),
    ['n1'],
  )
  t.strictSame([...store.list('Namespace')], [])
})

t.test('a selector that the API would refuse is refused at once', async t => {
  const options = { wanted: { Service: { fieldSelector: 'spec.ports=1' } }, log: silentLogger() }
  t.throws(() => manifestSource('/nowhere', options), SelectorError)
})

t.test('files that come, change and go', async t => {
  const directory = t.testdir({ 'a.yaml': service() })
  const { store } = await started(t, directory)
  await writeFile(join(directory, 'b.yaml'), service({ name: 'db', clusterIP: '10.96.0.2' }))
  await eventually('the new file', () => clusterIp(store, 'shop/db') === '10.96.0.2')
  await writeFile(join(directory, 'b.yaml'), service({ name: 'db', clusterIP: '10.96.0.3' }))
  await eventually('the change', () => clusterIp(store, 'shop/db') === '10.96.0.3')
  await rm(join(directory, 'a.yaml'))
  await eventually('the removal', () => store.get('Service', 'shop/web') === undefined)
  t.ok(store.get('Namespace', 'shop'))
  await rm(join(directory, 'b.yaml'))
  await eventually('the end of the namespace', () => store.get('Namespace', 'shop') === undefined)
})

t.test('a file replaced by renaming, as editors do', async t => {
  const directory = t.testdir({ 'a.yaml': service() })
  const { store } = await started(t, directory)
  await writeFile(join(directory, '.a.yaml.tmp'), service({ clusterIP: '10.96.0.9' }))
  await rename(join(directory, '.a.yaml.tmp'), join(directory, 'a.yaml'))
  await eventually('the change', () => clusterIp(store) === '10.96.0.9')
})

t.test('a mounted ConfigMap, whose links change their target', async t => {
  const directory = t.testdir({
    '..1': { 'a.yaml': service() },
    '..2': { 'a.yaml': service({ clusterIP: '10.96.0.9' }) },
  })
  await symlink('..1', join(directory, '..data'))
  await symlink('..data/a.yaml', join(directory, 'a.yaml'))
  const { store } = await started(t, directory)
  t.equal(clusterIp(store), '10.96.0.1')
  await symlink('..2', join(directory, '..tmp'))
  await rename(join(directory, '..tmp'), join(directory, '..data'))
  await eventually('the change', () => clusterIp(store) === '10.96.0.9')
})

t.test('a directory that is not there yet, goes away and comes back', async t => {
  const directory = join(t.testdir({}), 'later')
  const { store, logged } = start(t, directory)
  await eventually('the complaint', () => errors(logged).length === 1)
  t.notOk(store.isSynced('Service'))
  await mkdir(directory)
  await writeFile(join(directory, 'a.yaml'), service())
  await eventually('the first listing', () => clusterIp(store) === '10.96.0.1')
  await rm(directory, { recursive: true })
  await eventually('the second complaint', () => errors(logged).length === 2)
  t.equal(clusterIp(store), '10.96.0.1', 'the last state stays')
  await mkdir(directory)
  await writeFile(join(directory, 'a.yaml'), service({ clusterIP: '10.96.0.2' }))
  await eventually('the directory made again', () => clusterIp(store) === '10.96.0.2')
})

t.test(
  'a broken file: one error with its place, what it said before stays, the rest goes on',
  async t => {
    const directory = t.testdir({ 'a.yaml': service(), 'b.yaml': service({ name: 'db' }) })
    const { store, logged } = await started(t, directory)
    await writeFile(join(directory, 'a.yaml'), `${service({ name: 'new' })}${service()}spec: 1\n`)
    await eventually('the error', () => errors(logged).length > 0)
    await writeFile(join(directory, 'b.yaml'), service({ name: 'db', clusterIP: '10.96.0.2' }))
    await eventually('the other file', () => clusterIp(store, 'shop/db') === '10.96.0.2')
    t.strictSame(
      errors(logged).map(({ problem }) => problem),
      ['a.yaml:15:1: kind: missing'],
    )
    t.equal(clusterIp(store), '10.96.0.1')
    t.equal(clusterIp(store, 'shop/new'), undefined)
    await writeFile(join(directory, 'a.yaml'), service({ clusterIP: '10.96.0.3' }))
    await eventually('the repair', () => clusterIp(store) === '10.96.0.3')
    t.equal(logged.filter(({ msg }) => msg === 'manifest file is right again').length, 1)
    t.equal(errors(logged).length, 1)
  },
)

t.test('a file that is broken from the start does not hold up the first listing', async t => {
  const directory = t.testdir({ 'a.yaml': 'kind: [', 'b.yaml': service() })
  const { store, logged } = await started(t, directory)
  t.equal(clusterIp(store), '10.96.0.1')
  t.equal(errors(logged).length, 1)
})

t.test('an object in two files: the last file counts, and one warning names both', async t => {
  const directory = t.testdir({
    'a.yaml': service({ clusterIP: '10.96.0.1' }),
    'b.yaml': service({ clusterIP: '10.96.0.2' }),
  })
  const { store, logged } = await started(t, directory)
  t.equal(clusterIp(store), '10.96.0.2')
  await writeFile(join(directory, 'b.yaml'), service({ clusterIP: '10.96.0.3' }))
  await eventually('the change', () => clusterIp(store) === '10.96.0.3')
  t.strictSame(
    warnings(logged).map(({ places }) => places),
    [['a.yaml:1', 'b.yaml:1']],
  )
  await rm(join(directory, 'b.yaml'))
  await eventually('the first file', () => clusterIp(store) === '10.96.0.1')
})

t.test('an object in two documents of a file: the last counts', async t => {
  const directory = t.testdir({ 'a.yaml': service() + service({ clusterIP: '10.96.0.2' }) })
  const { store, logged } = await started(t, directory)
  t.equal(clusterIp(store), '10.96.0.2')
  t.strictSame(
    warnings(logged).map(({ places }) => places),
    [['a.yaml:1', 'a.yaml:7']],
  )
})

t.test('a Service without address, which an API server would give it, is warned about', async t => {
  const directory = t.testdir({
    'a.yaml': service({ clusterIP: '""' }),
    'b.yaml': service({ name: 'h', clusterIP: 'None' }),
  })
  const { logged } = await started(t, directory)
  t.match(warnings(logged), [{ file: 'a.yaml', services: 1 }])
  t.equal(warnings(logged).length, 1)
})

t.test('slices follow the Pods that a Service selects', async t => {
  const directory = t.testdir({
    'a.yaml': service({ selector: 'web' }),
    'pods.yaml': pod('web-0', '10.1.0.1') + pod('db-0', '10.1.0.9', 'db'),
  })
  const { store } = await started(t, directory)
  t.equal(addresses(store), '10.1.0.1')
  await writeFile(join(directory, 'more.yaml'), pod('web-1', '10.1.0.2'))
  await eventually('a new Pod', () => addresses(store) === '10.1.0.1,10.1.0.2')
  await writeFile(join(directory, 'more.yaml'), pod('web-1', '10.1.0.2', 'db'))
  await eventually('a Pod with other labels', () => addresses(store) === '10.1.0.1')
  await writeFile(join(directory, 'a.yaml'), service({ selector: 'db' }))
  await eventually('another selector', () => addresses(store) === '10.1.0.2,10.1.0.9')
  await rm(join(directory, 'pods.yaml'))
  await rm(join(directory, 'more.yaml'))
  await eventually('no Pods', () => addresses(store) === '')
  t.equal([...store.list('EndpointSlice')].length, 1, 'an empty slice says that there are none')
  await rm(join(directory, 'a.yaml'))
  await eventually('no Service', () => [...store.list('EndpointSlice')].length === 0)
})

const slice = (name: string, address: string) =>
  `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
endpoints: [{ addresses: [${address}] }]
ports: [{ port: 80 }]
---
`
t.test(
  'slices that are written down count beside derived ones, and alone where no Pod matches',
  async t => {
    const directory = t.testdir({
      'a.yaml': service({ selector: 'web' }) + slice('web-own', '192.0.2.1'),
    })
    const { store } = await started(t, directory)
    t.strictSame(
      [...store.list('EndpointSlice')].map(({ metadata }) => metadata.name),
      ['web-own'],
    )
    await writeFile(join(directory, 'pods.yaml'), pod('web-0', '10.1.0.1'))
    await eventually('both', () => addresses(store) === '10.1.0.1,192.0.2.1')
    await writeFile(join(directory, 'a.yaml'), service({ selector: 'web' }))
    await eventually('the derived one', () => addresses(store) === '10.1.0.1')
  },
)

t.test('a zone of a Node is on the endpoints of its Pods', async t => {
  const directory = t.testdir({ 'a.yaml': service({ selector: 'web' }) + pod('web-0', '10.1.0.1') })
  const { store } = await started(t, directory)
  const zone = () => [...store.list('EndpointSlice')][0]?.endpoints[0]?.zone
  t.equal(zone(), undefined)
  const labels = '{ topology.kubernetes.io/zone: a }'
  await writeFile(
    join(directory, 'n.yaml'),
    `apiVersion: v1\nkind: Node\nmetadata: { name: n1, labels: ${labels} }\n`,
  )
  await eventually('the zone', () => zone() === 'a')
})

const endpoints = `apiVersion: v1
kind: Endpoints
metadata: { name: web, namespace: shop }
subsets: [{ addresses: [{ ip: 192.0.2.5 }], ports: [{ port: 80 }] }]
---
`
t.test(
  'Endpoints are mirrored for a Service without selector, and only for one that is there',
  async t => {
    const directory = t.testdir({ 'e.yaml': endpoints })
    const { store } = await started(t, directory)
    t.equal(addresses(store), '')
    await writeFile(join(directory, 'a.yaml'), service())
    await eventually('the mirrored slice', () => addresses(store) === '192.0.2.5')
    await writeFile(join(directory, 'a.yaml'), service({ selector: 'web' }))
    await eventually('the selector', () => addresses(store) === '')
  },
)

t.test('an ExternalName Service has no slices', async t => {
  const text = service({
    selector: 'web',
    spec: '  type: ExternalName\n  externalName: a.example\n',
  })
  const { store } = await started(t, t.testdir({ 'a.yaml': text + pod('web-0', '10.1.0.1') }))
  t.strictSame([...store.list('EndpointSlice')], [])
})

t.test('a change of one object is a batch of that object alone', async t => {
  const directory = t.testdir({ 'a.yaml': service() + service({ name: 'db' }) })
  const { store } = await started(t, directory)
  using feed = store.feed(['Service', 'Namespace', 'EndpointSlice'])
  feed.take()
  await writeFile(
    join(directory, 'a.yaml'),
    service({ clusterIP: '10.96.0.7' }) + service({ name: 'db' }),
  )
  const batch = await feed.next(AbortSignal.timeout(10_000))
  t.strictSame(
    batch?.changes.map(({ key }) => key),
    ['shop/web'],
  )
})

t.test('it ends when it is told to, also before the directory is there', async t => {
  const { run, abort } = start(t, join(t.testdir({}), 'nowhere'))
  abort.abort()
  await run
  t.pass('ended')
})
