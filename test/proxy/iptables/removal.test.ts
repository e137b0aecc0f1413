import t from 'tap'
import { Pace } from '#runtime/pace.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { isOwnChain, planRemoval } from '../../../src/proxy/iptables/removal.ts'
import { parseSaved } from '../../../src/proxy/iptables/saved.ts'
import { numbered, slices } from '../../helper/numbered-services.ts'
import { FakeIptables } from './fake-iptables.ts'
import { backendOn, noSignal } from './machine.ts'

const removalFrom = async (iptables: FakeIptables) =>
  planRemoval(await parseSaved(await iptables.save(), isOwnChain, new Pace()))

/** Tables with the rules of another program, and chains of the kubelet. */
function withOthers(): FakeIptables {
  const iptables = new FakeIptables()
  const nat = iptables.tables.get('nat')
  nat?.set('DOCKER', ['-i docker0 -j RETURN'])
  nat?.get('PREROUTING')?.push('-m addrtype --dst-type LOCAL -j DOCKER')
  iptables.tables.get('filter')?.set('KUBE-FIREWALL', ['-m mark --mark 0x8000/0x8000 -j DROP'])
  iptables.tables.get('filter')?.get('INPUT')?.push('-j KUBE-FIREWALL')
  iptables.tables.get('mangle')?.set('KUBE-KUBELET-CANARY', [])
  iptables.tables.get('mangle')?.set('KUBE-IPTABLES-HINT', [])
  return iptables
}

t.test('all of ours goes, nothing of others', async t => {
  const iptables = withOthers()
  const before = structuredClone(iptables.tables)
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const pods = [{ ip4: '10.0.0.1', ip6: 'fd00::1' }] as never[]
  for (const object of [numbered(1), ...slices(1, pods), numbered(2)]) {
    const key = `default/${object.metadata.name}`
    tracker.apply({ kind: object.kind, key, before: undefined, after: object } as never)
  }
  const states = Array.from(tracker.services(), key => [key, tracker.stateOf(key)] as const)
  await backendOn(iptables).replace(states, noSignal)
  t.notSame(iptables.tables, before)
  const { text, inUse } = await removalFrom(iptables)
  await iptables.restore([text])
  t.strictSame(inUse, [])
  t.strictSame(iptables.tables, before)
})

t.test('where nothing is ours nothing is written', async t => {
  t.strictSame(await removalFrom(withOthers()), { text: '', inUse: [] })
})

t.test("chains that others' rules lead to are emptied, and named", async t => {
  const iptables = withOthers()
  await backendOn(iptables).replace([], noSignal)
  iptables.tables.get('nat')?.get('PREROUTING')?.push('-p tcp -j KUBE-MARK-MASQ')
  const { text, inUse } = await removalFrom(iptables)
  await iptables.restore([text])
  t.strictSame(inUse, ['nat KUBE-MARK-MASQ'])
  t.strictSame(iptables.rules('nat', 'KUBE-MARK-MASQ'), [])
})

t.test('what mode ipvs has in common stays while that is in use', async t => {
  const iptables = withOthers()
  await backendOn(iptables).replace([], noSignal)
  // Mode ipvs writes its own rules before others' go.
  iptables.tables.get('nat')?.set('KUBE-SERVICES', [])
  const { text } = planRemoval(
    await parseSaved(await iptables.save(), isOwnChain, new Pace()),
    'ipvs',
  )
  await iptables.restore([text])
  const left = [...iptables.tables].flatMap(([table, chains]) =>
    [...chains].flatMap(([chain, rules]) => [
      ...(chain.startsWith('KUBE-') ? [`${table} ${chain}`] : []),
      ...rules.flatMap(rule => {
        const target = / -j (KUBE-(?!FIREWALL)\S+)/.exec(rule)?.[1]
        return target === undefined ? [] : [`${table} ${chain} → ${target}`]
      }),
    ]),
  )
  t.strictSame(left.sort(), [
    'filter FORWARD → KUBE-FORWARD',
    'filter KUBE-FIREWALL',
    'filter KUBE-FORWARD',
    'filter KUBE-PROXY-FIREWALL',
    'mangle KUBE-IPTABLES-HINT',
    'mangle KUBE-KUBELET-CANARY',
    'nat KUBE-MARK-MASQ',
    'nat KUBE-POSTROUTING',
    'nat KUBE-SERVICES',
    'nat OUTPUT → KUBE-SERVICES',
    'nat POSTROUTING → KUBE-POSTROUTING',
    'nat PREROUTING → KUBE-SERVICES',
  ])
})

t.test('the guard of localhost goes where no kubelet has been, and nobody added to it', async t => {
  const guarded = async (prepare: (iptables: FakeIptables) => void) => {
    const iptables = new FakeIptables()
    prepare(iptables)
    await backendOn(iptables, { hasLocalhostNodePorts: true }).replace([], noSignal)
    await iptables.restore([(await removalFrom(iptables)).text])
    return iptables.tables.get('filter')?.has('KUBE-FIREWALL')
  }
  t.equal(await guarded(() => {}), false)
  t.equal(
    await guarded(({ tables }) => {
      tables.get('mangle')?.set('KUBE-KUBELET-CANARY', [])
    }),
    true,
  )
  t.equal(
    await guarded(({ tables }) => {
      tables.get('filter')?.set('KUBE-FIREWALL', ['-m mark --mark 0x8000/0x8000 -j DROP'])
    }),
    true,
  )
})
