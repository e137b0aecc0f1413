// From mode iptables to ipvs and back. (Mode nftables cannot be tried here: this kernel has no NAT of nftables.)
import t from 'tap'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { eventually } from '../helper/eventually.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import { client, settings as common, node, podA, podC, run, target } from './fixture.ts'
import type { Host, Target } from './host.ts'
import { RunningProxy } from './proxy.ts'

/** Only bounds a failure. */
const LIMIT_MS = 120_000
const settings: ProxySettings = { ...common, families: [4] }
const objects = [numbered(1), ...slices(1, [podA]), numbered(2)]
const clusterIP = target('clusterIP', { number: 1 })
const start = (mode: 'iptables' | 'ipvs') => RunningProxy.start({ ...settings, mode }, objects)
const nodePort = target('nodePort', { number: 1 })
/** Reset, so that IPVS forgets them in 10 s; connections that end in peace it keeps for two minutes. */
async function answerOf(host: Host, to: Target): Promise<string> {
  const connection = await host.hold(to)
  await connection.drop()
  return connection.answer
}
const answers = async () => [
  await answerOf(client, clusterIP),
  (await answerOf(node, nodePort)).split(' ')[0],
  ...(await client.ask(target('clusterIP', { number: 2 }), 1)),
]
const right = [`a ${podC.ip4}`, 'a', 'ECONNREFUSED']
const servers = async () => (await run('ipvsadm -Sn')).trim()

await t.test('from mode to mode: connections live on, new ones are served at once', async t => {
  await run('ipvsadm -C')
  const first = await start('iptables')
  const inIptables = await client.hold(clusterIP)
  t.equal(inIptables.answer, right[0])
  await first[Symbol.asyncDispose]()

  const second = await start('ipvs')
  t.strictSame(await answers(), right)
  await eventually(
    'no chains of mode iptables',
    async () => !/KUBE-SVC|KUBE-SEP/.test(await run('iptables-save')),
    LIMIT_MS,
  )
  t.equal(await inIptables.say('x'), 'x', 'a connection made in mode iptables')
  const inIpvs = await client.hold(clusterIP)
  t.equal(inIpvs.answer, right[0])
  t.match(await servers(), /-t 10\.96\.0\.1:80/)
  await second[Symbol.asyncDispose]()

  const third = await start('iptables')
  t.strictSame(await answers(), right)
  await eventually(
    'all unused virtual servers to go',
    async () => !/10\.96\.0\.2|203\.0\.113| -u /.test(await servers()),
    LIMIT_MS,
  )
  t.match(await servers(), /-t 10\.96\.0\.1:80 -r .* -m -w 0$/m, 'no new connection comes here')
  t.notMatch(await run('ip -o address show kube-ipvs0'), /10\.96\.0\.2/)
  t.strictSame(await answers(), right)
  t.equal(await inIptables.say('x'), 'x', 'a connection made in mode iptables')
  t.equal(await inIpvs.say('x'), 'x', 'a connection made in mode ipvs')
  await inIpvs.drop()
  await eventually(
    'the dummy link to go with the last connection',
    async () => !(await run('ip -o link')).includes('kube-ipvs0'),
    LIMIT_MS,
  )
  t.equal(await servers(), '')
  t.equal(await inIptables.say('x'), 'x')
  t.strictSame(await answers(), right)
  await inIptables.drop()
  await third[Symbol.asyncDispose]()
})
