// What a new connection through IPVS costs as Services become many:
//   scripts/in-uml.sh node bench/ipvs-connections.ts [--counts 1,1000,10000] [--rounds 5]
// User-mode Linux is slow, so only the ratios mean something. For each number of Services the same Service is connected to.
import { openSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import { parsePrefix } from '#net/prefix.ts'
import { endpoint, service, slice } from '../test/helper/cluster.ts'
import { Topology } from '../test/helper/topology.ts'
import { Host } from '../test/uml/host.ts'
import { RunningProxy } from '../test/uml/proxy.ts'
import { quantile, timed } from './measure.ts'

const CONNECTIONS = 300

const { values } = parseArgs({
  options: {
    counts: { type: 'string', default: '1,1000,10000' },
    rounds: { type: 'string', default: '5' },
  },
})

await using net = await Topology.create(2)
const [pod, from] = net.pods as [(typeof net.pods)[0], (typeof net.pods)[0]]
await using server = new Host(pod.namespace)
await using client = new Host(from.namespace)
await server.serve('a', 8080)
// On a port of its own: IPVS would take answers for those of a connection that it remembers.
await server.serve('a', 8081)
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
const direct = { protocol: 'tcp', host: pod.ip4, port: 8081 } as const

/** Milliseconds of a connection. */
async function perConnection(to: typeof target | typeof direct): Promise<number> {
  let answers: readonly string[] = []
  const ms = await timed(async () => {
    answers = await client.ask(to, CONNECTIONS)
  })
  if (answers.join() !== `a ${from.ip4}`) throw new Error(`${to.host} answered ${answers.join()}`)
  return ms / CONNECTIONS
}

for (const count of values.counts.split(',').map(Number)) {
  let proxy: RunningProxy | undefined
  const startMs = await timed(async () => {
    proxy = await RunningProxy.start(settings, objects(count))
  })
  const through: number[] = []
  const past: number[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    through.push(await perConnection(target))
    past.push(await perConnection(direct))
  }
  const [ms, directMs] = [quantile(through, 0.5), quantile(past, 0.5)]
  const ratio = (ms / directMs).toFixed(2)
  const spread = [0, 1].map(share => quantile(through, share).toFixed(2)).join('–')
  console.log(`${count} services: programmed in ${Math.round(startMs)} ms`)
  console.log(
    `  connection ${ms.toFixed(2)} ms (${spread}), direct ${directMs.toFixed(2)} ms, ratio ${ratio}`,
  )
  await proxy?.[Symbol.asyncDispose]()
}
process.exit()
