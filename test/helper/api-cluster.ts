import { exec } from '#linux/exec.ts'
import { TestApiServer } from './api-server.ts'
import type { TestNamespace } from './namespace.ts'

const HOST = '192.168.60.1'

/** The bearer token that the server wants. */
export const TOKEN = 'node-token'

/** Connects a node to the namespace of the test, where the API server runs. */
export async function reachApiServer(node: TestNamespace): Promise<void> {
  await exec('ip', [
    'link',
    'add',
    'api0',
    'type',
    'veth',
    'peer',
    'name',
    'api0',
    'netns',
    node.name,
  ])
  await exec('ip', ['address', 'add', `${HOST}/24`, 'dev', 'api0'])
  await exec('ip', ['link', 'set', 'api0', 'up'])
  await node.ip('address add 192.168.60.2/24 dev api0')
  await node.ip('link set api0 up')
}

/** An API server that nodes reach and that has the Node `node-a` and the Namespace `shop`. */
export async function startApiCluster(): Promise<TestApiServer> {
  const server = await TestApiServer.start({ host: HOST, token: TOKEN })
  const addresses = [{ type: 'InternalIP', address: '192.168.50.1' }]
  server.set('Node', { metadata: { name: 'node-a' }, status: { addresses } })
  server.set('Namespace', { metadata: { name: 'shop' } })
  return server
}

/** The API server that listened on this port is back, with all it had. */
export const resumeApiCluster = (
  { history }: TestApiServer,
  port: number,
): Promise<TestApiServer> => TestApiServer.start({ host: HOST, port, token: TOKEN, history })

/** A Service of the API server: its port 80 leads to the pods' port 8080. */
export function setService(server: TestApiServer, name: string, clusterIP: string): void {
  server.set('Service', {
    metadata: { name, namespace: 'shop' },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
  })
}

export function setEndpoints(server: TestApiServer, name: string, pods: readonly string[]): void {
  server.set('EndpointSlice', {
    metadata: {
      name: `${name}-x`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: pods.map(pod => ({ addresses: [pod], conditions: { ready: true } })),
  })
}

/** What was asked of a server: the kinds with their selectors, each once. */
export function selectorsSeen(server: TestApiServer): readonly string[] {
  const selections = server.requests.map(({ kind, query }) =>
    [kind, query['labelSelector'], query['fieldSelector']].filter(Boolean).join(' '),
  )
  return [...new Set(selections)].toSorted()
}
