import t from 'tap'
import { Pace } from '#runtime/pace.ts'
import { parseSaved } from '../../../src/proxy/iptables/saved.ts'
import { Firewall } from '../../../src/proxy/ipvs/firewall.ts'
import { jumps, ownChains } from '../../../src/proxy/ipvs/iptables-render.ts'
import { planRemoval } from '../../../src/proxy/ipvs/removal.ts'
import { setKinds } from '../../../src/proxy/ipvs/sets.ts'
import type { ProxyMode } from '../../../src/proxy/settings.ts'
import { FakeIptables } from '../iptables/fake-iptables.ts'
import { backendOn, noSignal } from '../iptables/machine.ts'

/** Tables with rules of another program. */
function withOthers(): FakeIptables {
  const iptables = new FakeIptables()
  iptables.tables.get('nat')?.set('DOCKER', ['-i docker0 -j RETURN'])
  iptables.tables.get('nat')?.get('PREROUTING')?.push('-m addrtype --dst-type LOCAL -j DOCKER')
  iptables.tables.get('filter')?.get('INPUT')?.push('-j ACCEPT')
  return iptables
}

const write = (iptables: FakeIptables) =>
  new Firewall({
    iptables,
    family: 4,
    detector: undefined,
    masqueradeAll: false,
    masqueradeBit: 14,
  }).write({ sets: new Set(setKinds), barred: [] }, noSignal)

async function remove(iptables: FakeIptables, inUse?: ProxyMode): Promise<readonly string[]> {
  const saved = await parseSaved(await iptables.save(), () => false, new Pace())
  const removal = planRemoval(saved, inUse)
  await iptables.restore([removal.text])
  return removal.inUse
}

const all = (['nat', 'filter'] as const).flatMap(table =>
  ownChains(table).map(chain => `${table} ${chain}`),
)
const left = ({ tables }: FakeIptables) =>
  all.filter(key => {
    const [table = '', chain = ''] = key.split(' ')
    return tables.get(table)?.has(chain)
  })

t.test(
  'all of this mode goes, nothing of others; where there is nothing nothing is done',
  async t => {
    const iptables = withOthers()
    const before = structuredClone(iptables.tables)
    await write(iptables)
    t.strictSame(left(iptables), all)
    t.strictSame(await remove(iptables), [])
    t.strictSame(iptables.tables, before)
    const texts = iptables.texts.length
    t.strictSame(await remove(iptables), [])
    t.equal(iptables.texts.length, texts)
  },
)

t.test("a chain that others' rules lead to is emptied and named, and all else goes", async t => {
  const iptables = withOthers()
  await write(iptables)
  // As the CNI plugin portmap does with externalSetMarkChain.
  const theirs = '-p tcp -m tcp --dport 8080 -j KUBE-MARK-MASQ'
  iptables.tables.get('nat')?.set('CNI-HOSTPORT-SETMARK', [theirs])
  for (const _ of ['first', 'second']) {
    t.strictSame(await remove(iptables), ['nat KUBE-MARK-MASQ'])
    t.strictSame(left(iptables), ['nat KUBE-MARK-MASQ'])
    t.strictSame(iptables.rules('nat', 'KUBE-MARK-MASQ'), [])
    t.strictSame(iptables.rules('nat', 'CNI-HOSTPORT-SETMARK'), [theirs])
  }
})

t.test('jumps that are there more than once go as often', async t => {
  const iptables = new FakeIptables()
  const before = structuredClone(iptables.tables)
  await write(iptables)
  for (const { table, from } of jumps) {
    const rules = iptables.tables.get(table)?.get(from)
    rules?.push(...rules)
  }
  t.strictSame(await remove(iptables), [])
  t.strictSame(iptables.tables, before)
})

const ofBoth = ['KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'].map(name => `nat ${name}`)
ofBoth.push('filter KUBE-FORWARD', 'filter KUBE-PROXY-FIREWALL')

t.test('what mode iptables uses stays, told or seen', async t => {
  for (const inUse of [undefined, 'iptables'] as const) {
    const iptables = withOthers()
    await write(iptables)
    await backendOn(iptables).replace([], noSignal)
    t.strictSame(await remove(iptables, inUse), [])
    t.strictSame(left(iptables), ofBoth)
    t.match(iptables.rules('nat', 'PREROUTING'), [/KUBE-SERVICES$/, /DOCKER$/])
  }
})

t.test('what only leftovers of mode iptables lead to is left to its clean-up', async t => {
  const iptables = withOthers()
  await backendOn(iptables).replace([], noSignal)
  iptables.tables.get('nat')?.set('KUBE-SEP-AAAAAAAAAAAAAAAA', ['-j KUBE-MARK-MASQ'])
  // kube-proxy leaves the modes to each other: it has written its rules of mode ipvs over those of mode iptables.
  iptables.tables.get('nat')?.set('KUBE-SERVICES', [])
  await write(iptables)
  t.strictSame(await remove(iptables), [])
  t.strictSame(left(iptables), ['nat KUBE-MARK-MASQ', 'filter KUBE-PROXY-FIREWALL'])
})
