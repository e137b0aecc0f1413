import t from 'tap'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { eventually } from '../helper/eventually.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import {
  client,
  settings as common,
  destinationsOf,
  outside,
  podA,
  podB,
  podC,
  run,
  target,
} from './fixture.ts'
import type { HeldConnection } from './host.ts'
import { RunningProxy } from './proxy.ts'

// Programs are slow here: one family, and not more comparisons of the kernel than needed.
const settings: ProxySettings = { ...common, families: [4], syncPeriodMs: 1500 }
const fromClient = ['a', 'b'].map(name => `${name} ${podC.ip4}`)
const way = { number: 1 }
const clusterIP = target('clusterIP', way)

/** A connection to the endpoint of this name: the scheduler gives them out in turn. */
async function holdTo(name: string): Promise<HeldConnection> {
  for (;;) {
    const connection = await client.hold(clusterIP)
    if (connection.answer.startsWith(name)) return connection
    await connection.drop()
  }
}

const weights = async (server: string) =>
  (await destinationsOf(server))
    .map(line => line.replace(/^.* -r (\S+) -m -w (\d+)$/, '$1 $2'))
    .sort()

/** All that the proxy made, without what is different each time. */
async function state(): Promise<string> {
  const programs = ['ipvsadm -Sn', 'ip -o address show kube-ipvs0', 'ipset save', 'iptables-save']
  const texts: string[] = []
  for (const program of programs) texts.push(await run(program).catch(String))
  const lines = texts
    .join('')
    .replaceAll(/^#.*$|^\d+: |\[\d+:\d+\]/gm, '')
    .split('\n')
  return lines.sort().join('\n')
}

await t.test('changes', async t => {
  const objects = [numbered(1), ...slices(1, [podA], [podB])]
  const started = await RunningProxy.start(settings, objects)
  let proxy = started
  t.teardown(() => proxy[Symbol.asyncDispose]())
  const server = '-t 10.96.0.1:80'
  const [addressA, addressB] = [`${podA.ip4}:8080`, `${podB.ip4}:8080`]
  const connection = await holdTo('a')

  await t.test('an endpoint that goes gets no new connections and keeps the old ones', async t => {
    await proxy.set(...slices(1, [], [podB]))
    t.strictSame(await client.ask(clusterIP), [`b ${podC.ip4}`])
    t.equal(await connection.say('still here'), 'still here')
    t.strictSame(await weights(server), [`${addressA} 0`, `${addressB} 1`])
    t.strictSame(await weights('-t 203.0.113.1:80'), [`${addressB} 1`], 'nobody uses it there')
    t.strictSame(await weights('-u 10.96.0.1:80'), [`${addressB} 1`], 'UDP goes at once')
  })

  await t.test('an endpoint that comes back goes on', async t => {
    await proxy.set(...slices(1, [podA], [podB]))
    t.strictSame(await client.ask(clusterIP), fromClient)
    t.strictSame(await weights(server), [`${addressA} 1`, `${addressB} 1`])
    t.equal(await connection.say('back'), 'back')
  })

  await t.test('a restart breaks no connection and changes nothing', async t => {
    await proxy.set(...slices(1, [], [podB]))
    const before = await run('ipvsadm -Sn')
    await proxy[Symbol.asyncDispose]()
    t.equal(await connection.say('nobody there'), 'nobody there')
    proxy = await RunningProxy.start(settings, [numbered(1), ...slices(1, [], [podB])])
    t.equal(await connection.say('adopted'), 'adopted')
    t.equal(await run('ipvsadm -Sn'), before)
  })

  await connection.drop()
  await t.test('what others change is repaired', async t => {
    await proxy.set(...slices(1, [podA], [podB]))
    const before = await state()
    const disturbances = [
      [
        'ipvsadm -D -t 10.96.0.1:80',
        `ipvsadm -d -t 203.0.113.1:80 -r ${addressB}`,
        'ip address del 10.96.0.1/32 dev kube-ipvs0',
        'ipset flush KUBE-CLUSTER-IP',
        'iptables -t nat -F KUBE-SERVICES',
      ],
      ['ip link del kube-ipvs0'],
      ['iptables -F INPUT'],
    ]
    for (const commands of disturbances) {
      for (const command of commands) await run(command)
      const what = commands.join(', ')
      t.not(await state(), before, what)
      await proxy.until(async () => (await state()) === before)
    }
  })

  await t.test('a new address of the node answers on node ports', async () => {
    const second = { ...target('nodePort', way), host: '192.168.50.77' }
    const answers = async () => (await outside.ask(second, 1))[0]?.includes(' ')
    const isGone = async () => (await destinationsOf('-t 192.168.50.77:30001')).length === 0
    await run('ip address add 192.168.50.77/24 dev eth0')
    await proxy.until(async () => (await answers()) === true)
    await run('ip address del 192.168.50.77/24 dev eth0')
    await proxy.until(isGone)
  })

  await t.test('a Service that goes takes all of it along', async t => {
    await proxy.delete('Service', 'default/s1')
    t.equal(await run('ipvsadm -Sn'), '')
    t.notMatch(await run('ip -br address show dev kube-ipvs0'), '10.96.0.1')
    t.notMatch(await run('ipset save'), /^add /m)
  })
})

await t.test('a destination goes when its last connection ends', async t => {
  await using proxy = await RunningProxy.start(settings, [
    numbered(1),
    ...slices(1, [podA], [podB]),
  ])
  const connection = await holdTo('a')
  await proxy.set(...slices(1, [], [podB]))
  t.equal((await weights('-t 10.96.0.1:80')).length, 2)
  // The kernel remembers a connection that was reset for another 10 s.
  await connection.drop()
  const isAlone = async () => (await weights('-t 10.96.0.1:80')).length === 1
  await eventually('the destination to go', isAlone, 30_000)
})
