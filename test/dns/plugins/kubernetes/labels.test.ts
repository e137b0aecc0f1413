import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AgentCluster } from '#agent/cluster.ts'
import { openSource } from '#cluster/open-source.ts'
import { Store } from '#cluster/store.ts'
import { clusterPool } from '#dns/cluster-pool.ts'
import type { Reply } from '#dns/message.ts'
import type { ClusterAccess, Handler } from '#dns/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import { silentLogger } from '#runtime/log.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { eventually } from '../../../helper/eventually.ts'

// `labels` over real sources: objects keep few of their labels, so it is the source that selects.

const web = '{ app: web }'
const manifests = (aLabels = web) => `
{ apiVersion: v1, kind: Service, metadata: { name: a, labels: ${aLabels} }, spec: { clusterIP: 10.0.0.1, ports: [{ port: 80 }] } }
---
{ apiVersion: v1, kind: Service, metadata: { name: b }, spec: { clusterIP: 10.0.0.2, ports: [{ port: 80 }] } }
---
{ apiVersion: v1, kind: Service, metadata: { name: c, labels: ${web} }, spec: { clusterIP: None } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: c-1, labels: { kubernetes.io/service-name: c } }
addressType: IPv4
endpoints: [{ addresses: [172.0.0.1] }]
`

/** How `nodeplane dns` and the agent get at a folder. */
const accesses: Readonly<Record<string, (folder: string, signal: AbortSignal) => ClusterAccess>> = {
  'nodeplane dns': folder =>
    clusterPool({
      log: silentLogger(),
      sourceOf: (_connection, options) => openSource({ manifests: folder, env: {} }, options),
    }),
  'the agent': (folder, signal) => {
    const store = new Store()
    const onFailure = (error: unknown) => t.fail(String(error))
    const connection = { manifests: folder, env: {} }
    const told = { log: silentLogger(), onFailure, onRequest: () => undefined }
    const agent = new AgentCluster({ connection, store, ...told, isStale: () => false }, signal)
    return agent.accessThrough(store, () => Promise.reject(new Error('no pods')))
  },
}

async function serve(t: Test, open: (typeof accesses)[string]) {
  const folder = t.testdir({ 'all.yaml': manifests() })
  const stop = new AbortController()
  const access = open(folder, stop.signal)
  const lease = access.lease?.()
  const plugin = await kubernetesPlugin().setup(
    [directive('kubernetes cluster.local\nlabels app in (web)')],
    setupContext({ cluster: lease ?? access }),
  )
  t.teardown(async () => {
    await plugin.stop?.()
    lease?.[Symbol.dispose]()
    stop.abort()
  })
  const handler = plugin.wrap?.(() => undefined) as Handler
  const ask = async (name: string) => {
    const query = queryFor(`${name}.default.svc.cluster.local.`)
    const { rcode, answers } = (await handler(query, patience())) as Reply
    return answers.length > 0 ? 'found' : rcode
  }
  return { ask, write: (text: string) => writeFile(join(folder, 'all.yaml'), text) }
}

for (const [place, open] of Object.entries(accesses)) {
  t.test(`${place}: names of labelled objects only, while they have the labels`, async t => {
    const { ask, write } = await serve(t, open)
    t.equal(await ask('a'), 'found')
    t.equal(await ask('b'), 'NXDOMAIN')
    t.equal(await ask('c'), 'NXDOMAIN', 'its slice lacks the label')
    await write(manifests('{}'))
    await eventually('the end of the name', async () => (await ask('a')) === 'NXDOMAIN')
    await write(manifests())
    await eventually('the name', async () => (await ask('a')) === 'found')
  })
}
