import { TestApiServer } from '../test/helper/api-server.ts'
import { managedFields, rawService, rawSlice } from './raw-cluster.ts'

/**
 * An API server with a cluster in it, as a process of its own so that the measured one has only the client: prints the path
 * of a kubeconfig and serves until its stdin ends. Objects have the fields of real ones, also those that are thrown away.
 */
const [services = 10_000, endpoints = 2] = process.argv.slice(2).map(Number)

const managed = <T extends { readonly metadata: object }>(object: T, manager: string) => ({
  ...object,
  metadata: { ...object.metadata, managedFields: managedFields(manager) },
})

if (import.meta.main) {
  await using server = await TestApiServer.start({ token: 'bench' })
  const shape = { endpoints, ports: ['http', 'metrics'] }
  for (let i = 0; i < services; i++) {
    server.set('Service', managed(rawService(i, shape), 'kubectl'))
    server.set('EndpointSlice', managed(rawSlice(i, shape), 'kube-controller-manager'))
  }
  for (let i = 0; i < 50; i++) server.set('Namespace', { metadata: { name: `team-${i}` } })
  server.set('Node', {
    metadata: { name: 'node-0' },
    status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
  })
  // Its log of events would only be needed by watches from before.
  server.compact()
  console.log(await server.writeKubeconfig())
  process.stdin.resume()
  await new Promise(resolve => process.stdin.on('end', resolve))
}
