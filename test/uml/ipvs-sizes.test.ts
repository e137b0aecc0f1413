import t from 'tap'
import {
  haveManyAddresses,
  LARGE,
  servicePorts,
  serviceWithEndpoints,
} from '../helper/large-services.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import {
  client,
  settings as common,
  destinationsOf,
  net,
  podA,
  podB,
  podC,
  run,
} from './fixture.ts'
import { RunningProxy } from './proxy.ts'

const connect = (host: string, port: number, count = 1) =>
  client.ask({ protocol: 'tcp', host, port }, count)
const [fromA, fromB] = [[`a ${podC.ip4}`], [`b ${podC.ip4}`]]

await t.test('a Service with 5,000 ports and one with 5,000 endpoints', async t => {
  await haveManyAddresses(net.node, podB)
  const objects = [numbered(1), ...slices(1, [podA]), ...servicePorts(podB)]
  const settings = { ...common, families: [4] } as const
  await using proxy = await RunningProxy.start(settings, [
    ...objects,
    ...serviceWithEndpoints(LARGE),
  ])
  for (const port of [1000, 3500, 5999]) t.strictSame(await connect('10.96.2.1', port), fromB)
  t.strictSame(await connect('10.96.2.1', 6000), ['ECONNREFUSED'])
  t.equal((await destinationsOf('-t 10.96.2.2:80')).length, LARGE)
  t.strictSame(await connect('10.96.2.2', 80, 20), fromB)
  await proxy.set(...serviceWithEndpoints(LARGE - 1).slice(1), ...slices(1, [podB]))
  t.equal((await destinationsOf('-t 10.96.2.2:80')).length, LARGE - 1)
  t.strictSame(await connect('10.96.0.1', 80), fromB)
  for (const name of ['ports', 'pods']) await proxy.delete('Service', `default/${name}`)
  await proxy.set(...slices(1, [podA]))
  t.notMatch(await run('ipvsadm -Sn'), /10\.96\.2\./)
  t.notMatch(await run('ip -o address show kube-ipvs0'), /10\.96\.2\./)
  t.notMatch(await run('ipset save'), /10\.96\.2\.|10\.245\./)
  t.strictSame(await connect('10.96.0.1', 80), fromA)
})
