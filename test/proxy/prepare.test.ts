import { pino } from 'pino'
import t from 'tap'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { defaultConfig } from '../../src/proxy/config/schema.ts'
import { prepare } from '../../src/proxy/prepare.ts'

const nodeWith = (...addresses: readonly string[]): Node => ({
  kind: 'Node',
  metadata: { name: 'node-a', namespace: '', labels: {} },
  addresses: addresses.map(address => ({ type: 'InternalIP', address })),
  podCIDRs: [],
  taints: [],
  deleting: false,
})

type Faults = Partial<Record<IpFamily, string>>

/** Prepares on a node of two families, where these cannot be served. */
async function prepared(faults: Faults, { first = '192.0.2.1', bindAddress = '0.0.0.0' } = {}) {
  const store = new Store()
  const second = first.includes(':') ? '192.0.2.1' : '2001:db8::1'
  store.replaceAll('Node', [nodeWith(first, second)])
  const said: { level: number; reason?: string }[] = []
  const preparing = prepare(
    {
      config: { ...defaultConfig(), mode: 'iptables', bindAddress: bindAddress as IpAddress },
      nodeName: 'node-a',
      store,
      nodeWaitMs: 0,
      log: pino({}, { write: line => void said.push(JSON.parse(line) as never) }),
      faults: async () =>
        new Map(Object.entries(faults).map(([family, why]) => [Number(family) as IpFamily, why])),
    },
    new AbortController().signal,
  )
  const { settings } = await preparing
  const warnings = said.filter(({ level, reason }) => level === 40 && reason !== undefined)
  return { families: settings.families, reasons: warnings.map(({ reason }) => reason) }
}

const noIp6tables = 'ip6tables: not found: is iptables installed?'
const noIptables = 'iptables: not found: is iptables installed?'

const served: readonly {
  title: string
  faults: Faults
  node?: Parameters<typeof prepared>[1]
  families: readonly IpFamily[]
}[] = [
  { title: 'both work', faults: {}, families: [4, 6] },
  { title: 'the secondary one does not work', faults: { 6: noIp6tables }, families: [4] },
  {
    title: 'the secondary one does not work, and is IPv4',
    faults: { 4: noIptables },
    node: { first: '2001:db8::1' },
    families: [6],
  },
  {
    title: 'the secondary one by bindAddress does not work',
    faults: { 4: noIptables },
    node: { bindAddress: '2001:db8::2' },
    families: [6],
  },
]
for (const { title, faults, node, families } of served) {
  t.test(`${title}: IPv${families.join(' and IPv')} is served`, async t => {
    t.strictSame(await prepared(faults, node), { families, reasons: Object.values(faults) })
  })
}

const refused: readonly {
  title: string
  faults: Faults
  node?: Parameters<typeof prepared>[1]
  message: string
}[] = [
  {
    title: 'iptables is missing',
    faults: { 4: noIptables },
    message: `the node's primary address 192.0.2.1 is IPv4, which cannot be served: ${noIptables}; mend that, or set bindAddress to an IPv6 address`,
  },
  {
    title: 'the kernel has no IPv6',
    faults: { 6: 'the kernel has no IPv6' },
    node: { first: '2001:db8::1' },
    message:
      "the node's primary address 2001:db8::1 is IPv6, which cannot be served: the kernel has no IPv6; mend that, or set bindAddress to an IPv4 address",
  },
  {
    title: 'neither works',
    faults: { 4: noIptables, 6: noIp6tables },
    message: `the node's primary address 192.0.2.1 is IPv4, which cannot be served: ${noIptables}; mend that`,
  },
]
for (const { title, faults, node, message } of refused) {
  t.test(`the primary family cannot be served: ${title}`, async t => {
    await t.rejects(prepared(faults, node), { code: 'ERR_FAMILY', message })
  })
}
