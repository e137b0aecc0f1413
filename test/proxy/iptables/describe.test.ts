import t from 'tap'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'
import { Pace } from '#runtime/pace.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { describeRules, diffRules } from '../../../src/proxy/iptables/describe.ts'
import { parseSaved } from '../../../src/proxy/iptables/saved.ts'
import { type WantedOptions, wantedRules } from '../../../src/proxy/iptables/wanted.ts'
import { endpoint, service, slice } from '../../helper/cluster.ts'
import { FakeIptables } from './fake-iptables.ts'
import { backendOn, noSignal } from './machine.ts'

const options: WantedOptions = {
  family: 4,
  detector: undefined,
  masqueradeAll: false,
  nodeIPs: ['192.0.2.1' as IpAddress],
  masqueradeBit: 14,
  dropsInvalid: true,
  hasLocalhostNodePorts: false,
  nodePortAddresses: 'all',
}

/** The states of `default/web` with these endpoints. */
function states(...pods: readonly string[]) {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const labels = { [SERVICE_NAME_LABEL]: 'web' }
  const objects = [service(), slice({ labels, endpoints: pods.map(ip => endpoint(ip)) })]
  for (const after of objects) {
    tracker.apply({ kind: after.kind, key: 'default/web', after } as never)
  }
  return [['default/web', tracker.stateOf('default/web')] as const]
}
const wanted = wantedRules(options, states('10.0.0.1', '10.0.0.2'))

/** Tables as a backend leaves them. */
async function programmed(): Promise<FakeIptables> {
  const iptables = new FakeIptables()
  await backendOn(iptables).replace(states('10.0.0.1', '10.0.0.2'), noSignal)
  return iptables
}
const diff = async (iptables: FakeIptables) =>
  diffRules(wanted, await parseSaved(await iptables.save(), () => false, new Pace()), 4)

t.test('a script that makes the rules, each chain with its reason', async t => {
  const lines = [...describeRules(wanted, 4)]
  for (const [index, line] of lines.entries()) {
    const chain = /^-A (\S+)/.exec(line)?.[1]
    const before = lines.slice(0, index).findLast(line => !line.startsWith('-A '))
    if (chain !== undefined) t.match(before, new RegExp(`^# ${chain}: \\S`))
  }
  t.match(lines, [/^# /])
  t.ok(lines.some(line => /^# KUBE-SVC-\S+: default\/web\/TCP: one of the endpoints/.test(line)))
  const iptables = new FakeIptables()
  await iptables.restore([lines.filter(line => !line.startsWith('#')).join('\n')])
  t.strictSame(await diff(iptables), [])
})

t.test('the guard of localhost is among the rules where there is one', async t => {
  const guarded = wantedRules({ ...options, hasLocalhostNodePorts: true }, [])
  const iptables = new FakeIptables()
  const lines = [...describeRules(guarded, 4)].filter(line => !line.startsWith('#'))
  await iptables.restore([lines.join('\n')])
  t.equal(iptables.rules('filter', 'KUBE-FIREWALL').length, 1)
  const saved = await parseSaved(await iptables.save(), () => false, new Pace())
  t.strictSame(diffRules(guarded, saved, 4), [])
})

t.test('what a backend has written does not differ', async t => {
  t.strictSame(await diff(await programmed()), [])
})

t.test('what is missing, too much, changed or in another order is named', async t => {
  const iptables = await programmed()
  const nat = iptables.tables.get('nat') as Map<string, string[]>
  nat.set('KUBE-MARK-MASQ', ['-j MARK --set-xmark 0x1/0x1'])
  nat.set('KUBE-SVC-AAAAAAAAAAAAAAAA', ['-j RETURN'])
  nat.get('KUBE-POSTROUTING')?.reverse()
  nat.set('POSTROUTING', [])
  iptables.tables.get('mangle')?.delete('KUBE-PROXY-CANARY')
  const differences = await diff(iptables)
  const of = (place: string) => differences.filter(difference => difference.place === place)
  t.strictSame(of('iptables nat KUBE-MARK-MASQ'), [
    {
      place: 'iptables nat KUBE-MARK-MASQ',
      wanted: '-j MARK --set-xmark 0x4000/0x4000',
      found: undefined,
    },
    {
      place: 'iptables nat KUBE-MARK-MASQ',
      wanted: undefined,
      found: '-j MARK --set-xmark 0x1/0x1',
    },
  ])
  t.match(of('iptables nat KUBE-SVC-AAAAAAAAAAAAAAAA'), [{ wanted: undefined, found: 'the chain' }])
  t.match(of('iptables nat KUBE-POSTROUTING'), [{ wanted: /; .*; /, found: /; .*; / }])
  t.match(of('iptables nat POSTROUTING'), [{ wanted: /-j KUBE-POSTROUTING/, found: undefined }])
  t.match(of('iptables mangle KUBE-PROXY-CANARY'), [{ wanted: 'the chain', found: undefined }])
  t.equal(differences.length, 6)
})

t.test("others' rules are no difference, nor is the order of words", async t => {
  const iptables = await programmed()
  const nat = iptables.tables.get('nat') as Map<string, string[]>
  nat.set('DOCKER', ['-j RETURN'])
  nat.get('PREROUTING')?.unshift('-j DOCKER')
  nat.set('KUBE-MARK-MASQ', ['--set-xmark 0x4000/0x4000 -j MARK'])
  t.strictSame(await diff(iptables), [])
})
