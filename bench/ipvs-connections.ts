// What a new connection through IPVS costs as Services become many: `scripts/in-uml.sh node bench/ipvs-connections.ts`.
// User-mode Linux is slow, so only the ratios mean something. For each number of Services the same Service is connected to.
import { openSync } from 'node:fs'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import { parsePrefix } from '#net/prefix.ts'
import { endpoint, service, slice } from '../test/helper/cluster.ts'
import { Topology } from '../test/helper/topology.ts'
import { Host } from '../test/uml/host.ts'
import { RunningProxy } from '../test/uml/proxy.ts'
import { timed } from './measure.ts'

const COUNTS = [1, 1000, 10_000]
const CONNECTIONS = 500
const ROUNDS = 3

await using net = await Topology.create(2)
const [pod, from] = net.pods as [(typeof net.pods)[0], (typeof net.pods)[0]]
await using server = new Host(pod.namespace)
await using client = new Host(from.namespace)
await server.serve('a', 8080)
setns(openSync(net.node.path, 'r'), CLONE_NEWNET)

const settings = {
  nodeName: 'node-1',
  families: [4] as const,
  mode: 'ipvs' as const,
  clusterCIDRs: [parsePrefix('10.244.0.0/16') as never],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const objects = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const name = `s${index}`
    const labels = { 'kubernetes.io/service-name': name }
    const endpoints = [endpoint(pod.ip4)]
    const clusterIP = `10.96.${index >> 8}.${index & 255}`
    return [service({ name, clusterIP }), slice({ name, labels, endpoints })]
  }).flat()
const target = { protocol: 'tcp', host: '10.96.0.0', port: 80 } as const
const direct = { protocol: 'tcp', host: pod.ip4, port: 8080 } as const
const perConnection = async (to: typeof target | typeof direct) =>
  (await timed(() => client.ask(to, CONNECTIONS))) / CONNECTIONS

for (const count of COUNTS) {
  let proxy: RunningProxy | undefined
  const startMs = await timed(async () => {
    proxy = await RunningProxy.start(settings, objects(count))
  })
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    ratios.push((await perConnection(target)) / (await perConnection(direct)))
  }
  ratios.sort((a, b) => a - b)
  const ratio = ratios[1]?.toFixed(2)
  console.log(
    `${count} services: programmed in ${Math.round(startMs)} ms, a connection ${ratio} × a direct one`,
  )
  await proxy?.[Symbol.asyncDispose]()
}
process.exit()
