import t from 'tap'
import { silentLogger } from '#runtime/log.ts'
import { ipvs } from '../../src/proxy/ipvs/module.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import { settings as common, outside, podA, run, target } from './fixture.ts'
import { RunningProxy } from './proxy.ts'

await t.test('a set that is full does not keep Services from being served', async t => {
  const cleanup = () => ipvs.cleanup({ log: silentLogger() }, AbortSignal.timeout(60_000))
  await cleanup()
  // Ours take 65,536: too many to try. A set that is there is used as it is.
  await run('ipset create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 64 maxelem 2')
  const objects = [1, 2].flatMap(number => [numbered(number), ...slices(number, [podA])])
  const settings = { ...common, families: [4] as const }
  const proxy = await RunningProxy.start(settings, objects)
  await proxy.set(numbered(3), ...slices(3, [podA]))
  t.equal((await run('ipset list KUBE-CLUSTER-IP')).match(/^10\.96\.0\./gm)?.length, 2)
  for (const number of [1, 2, 3]) {
    t.match(await run('ipvsadm -Sn'), `-a -t 10.96.0.${number}:80 -r ${podA.ip4}:8080 -m -w 1`)
    const [answer] = await outside.ask(target('nodePort', { number }), 1)
    t.match(answer, /^a /)
  }
  await proxy[Symbol.asyncDispose]()
  // The next test has sets that take as many as they should.
  await cleanup()
})
