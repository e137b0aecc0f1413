import { execFileSync } from 'node:child_process'
import t from 'tap'
import { listNftTable, parseNftCounters, parseNftTable } from '#linux/nft-listing.ts'
import { readNftCounters, readNftMap, readNftTable } from '#linux/nft-reader.ts'
import { ipFamilies } from '#net/ip.ts'
import { renderLayout } from '../../src/proxy/nftables/layout.ts'
import { nftFamily } from '../../src/proxy/nftables/table.ts'

if (process.getuid?.() !== 0) t.bailout('needs root')

const signal = new AbortController().signal
const nft = (input: string) => execFileSync('nft', ['-f', '-'], { input })
const list = (what: string) =>
  execFileSync('nft', ['-j', 'list', ...what.split(' ')], { encoding: 'utf8' })
const addresses = { 4: ['10.96.0.10', '10.1.2.3'], 6: ['2001:db8::10', 'fd00::1:0:0:3'] } as const
const ranges = {
  4: ['0.0.0.0/0', '10.0.0.0/8', '192.0.2.1', '198.51.100.128/25'],
  6: ['::/0', '2001:db8::/32', 'fd00::1', '2001:db8:0:8000::/49'],
} as const

const networks = {
  4: ['10.96.0.0/16', '10.97.0.0/16', '192.0.2.1', '255.0.0.0/8'],
  6: ['2001:db8::/33', '2001:db8:8000::/33', 'fd00::1', 'ff00::/8'],
} as const

/** Every form of element that the proxy writes. */
function elements(family: 4 | 6): readonly string[] {
  const [vip, endpoint] = addresses[family]
  return [
    `vips { ${vip} . tcp . 80 : 0:1f, ${vip} . udp . 53 : 1:ffff, ${vip} . sctp . 65535 : fffe:0 }`,
    'nodeports { tcp . 30000 : 0:2 }',
    'lb { 0:1f : goto refuse, 0:2 : goto ignore }',
    `endpoints-tcp { 0:1f . 0 : ${endpoint} . 8080, 0:1f . 65535 : ${endpoint} . 1 }`,
    `sticky-endpoints { 0:1f . ${endpoint} . 8080 }`,
    `source-ranges { ${ranges[family].map((range, at) => `${vip} . tcp . ${at + 1} . ${range}`).join(', ')} }`,
    `cluster-ips { ${vip} }`,
    // Neighbours, one address, and up to the last address of all.
    `service-cidrs { ${networks[family].join(', ')} }`,
    `hairpins { ${endpoint} . ${endpoint} }`,
    `masquerade-vips { ${vip} . tcp . 80 : goto masquerade-all }`,
    `traffic { ${vip} . tcp . 80 counter packets 7 bytes 4294967300 }`,
  ]
}

for (const family of ipFamilies) {
  const table = { family, name: 'read' }
  const text = `${nftFamily(family)} read`
  nft(
    renderLayout({
      table,
      detector: undefined,
      masqueradeAll: false,
      nodePortAddresses: [],
      localhostNodePorts: false,
      dropInvalid: true,
    }).text +
      elements(family)
        .map(each => `add element ${text} ${each}\n`)
        .join(''),
  )

  t.test(`a table of IPv${family} is read as nft lists it`, async t => {
    t.strictSame(await readNftTable(table, signal), await listNftTable(table, signal))
  })

  t.test(`so are a map and counters of IPv${family}`, async t => {
    const map = await readNftMap(table, 'vips', signal)
    t.equal(map.size, 3)
    t.strictSame(map, parseNftTable(list(`map ${text} vips`)).elements.get('vips'))
    const traffic = { name: 'traffic' }
    const counters = await readNftCounters(table, traffic, signal)
    t.strictSame([...counters.values()], [{ packets: 7, bytes: 4294967300 }])
    t.strictSame(counters, parseNftCounters(list(`set ${text} traffic`)))
  })

  t.test(
    `of what packets of IPv${family} filled a table tells only that there is something`,
    async t => {
      const [one, other] = addresses[family]
      nft(`add element ${text} node-addresses { ${one}, ${other} }\n`)
      const read = await readNftTable(table, signal)
      t.equal(read?.elements.get('node-addresses')?.size, 1)
      t.equal((await readNftMap(table, 'node-addresses', signal)).size, 2)
    },
  )
}

t.test('a table that is not there', async t => {
  const table = { family: 4, name: 'other' } as const
  t.equal(await readNftTable(table, signal), undefined)
  await t.rejects(readNftMap(table, 'vips', signal), { code: 'ERR_NETLINK' })
})

t.test('a set of an unknown type is left out, and does not keep the others', async t => {
  nft(
    'table ip strange {\nset marks {\ntype mark\nelements = { 1 }\n}\nset ips {\ntype ipv4_addr\nelements = { 192.0.2.1 }\n}\n}\n',
  )
  const read = await readNftTable({ family: 4, name: 'strange' }, signal)
  t.strictSame(read?.elements, new Map([['ips', new Map([['192.0.2.1', '']])]]))
})

t.test('many elements come in parts, each once', async t => {
  const keys = Array.from({ length: 5000 }, (_, at) => `10.1.${at >> 8}.${at & 255}`)
  nft(
    `add table ip many\nadd set ip many ips { type ipv4_addr; }\nadd element ip many ips { ${keys.join(', ')} }\n`,
  )
  const read = await readNftMap({ family: 4, name: 'many' }, 'ips', signal)
  t.strictSame([...read.keys()].sort(), keys.sort())
})
