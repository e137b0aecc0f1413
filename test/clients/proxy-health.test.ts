import { rename, writeFile } from 'node:fs/promises'
import t from 'tap'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { environmentOf } from '../helper/iptables.ts'
import { TestNamespace } from '../helper/namespace.ts'

const node = await TestNamespace.create('node')
t.teardown(() => node[Symbol.asyncDispose]())
await node.ip('address add 192.0.2.1/32 dev lo')

const objects = (endpoints: string) => `apiVersion: v1
kind: Node
metadata: { name: node-a }
status: { addresses: [{ type: InternalIP, address: 192.0.2.1 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 32100
  clusterIP: 10.96.0.20
  ports: [{ port: 80, targetPort: 8080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [${endpoints}]
`
const endpoint = (address: string) => `{ addresses: [${address}], nodeName: node-a }`
const CONFIG = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: node-a
iptables: { syncPeriod: 1s, minSyncPeriod: 1s }
`

t.test('a Service is not to be had here while changes do not reach the kernel', async t => {
  const directory = t.testdir({
    manifests: { 'all.yaml': objects(endpoint('10.244.1.2')) },
    'kp.yaml': CONFIG,
  })
  const env = await environmentOf('nft')
  const [programs = ''] = (env['PATH'] as string).split(':')
  const args = ['--config', `${directory}/kp.yaml`, '--manifests', `${directory}/manifests`]
  node.spawn(process.execPath, [MAIN, 'proxy', ...args], { env, stdio: 'ignore' })
  const url = 'http://192.0.2.1:32100/'
  const answer = async () => {
    const { stdout } = await node.exec('curl', ['-s', '-m', '5', '-w', '\n%{http_code}', url])
    const [, body = '', status] = /^([^]*)\n(\d+)$/.exec(stdout) ?? []
    return { status, ...(JSON.parse(body) as object) }
  }
  const served = { status: '200', localEndpoints: 1, serviceProxyHealthy: true }
  t.match(await eventually('the check', () => answer().catch(() => undefined)), served)

  const restore = `${programs}/iptables-restore`
  await rename(restore, `${restore}.away`)
  await writeFile(restore, '#!/bin/false\n', { mode: 0o755 })
  const change = (endpoints: string) =>
    writeFile(`${directory}/manifests/all.yaml`, objects(endpoints))
  await change(endpoint('10.244.1.3'))
  const failing = { status: '503', localEndpoints: 1, serviceProxyHealthy: false }
  const now = await eventually('it to fail', async () => {
    const found = await answer()
    return found.status === '503' ? found : undefined
  })
  t.match(now, failing)

  await rename(`${restore}.away`, restore)
  await eventually('it to recover', async () => (await answer()).status === '200')
  t.match(await answer(), served)
})
