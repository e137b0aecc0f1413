import t from 'tap'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { endpoint, service, slice } from '../helper/cluster.ts'
import { eventually } from '../helper/eventually.ts'
import { ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, load, serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
const [podA, podB, client] = net.pods as [TestPod, TestPod, TestPod]
await Promise.all([serve(podA.namespace, 'a', [8080]), serve(podB.namespace, 'b', [8080])])

const settings: ProxySettings = {
  nodeName: 'node-1',
  families: [4],
  clusterCIDRs: [],
  masqueradeAll: false,
  nodePortAddresses: [],
}
const tcp = { protocol: 'tcp', host: '10.96.0.1', port: 80 } as const

async function start(): Promise<ProxyProcess> {
  const proxy = new ProxyProcess(net.node, settings)
  proxy.set(service({ clusterIP: tcp.host }), slice({ endpoints: [endpoint(podA.ip4)] }))
  proxy.sync()
  await proxy.programmed()
  return proxy
}
const proxy = await start()

/** `ID` in a command is the id of the Service, of which there is one: a repair may give it another. */
async function nft(command: string): Promise<void> {
  const [, id = ''] = command.includes('ID')
    ? (/10\.96\.0\.1 \. tcp \. 80[^:]*: ([0-9a-f:]+)/.exec(await table()) ?? [])
    : []
  await net.node.exec('nft', ['-f', '-'], { input: `${command.replaceAll('ID', id)}\n` })
}
const table = async () =>
  (await net.node.exec('nft', ['-s', 'list', 'table', 'ip', 'nodeplane'])).stdout
const sorted = (text: string) =>
  text
    .split('\n')
    .map(line => line.trim())
    .sort()
    .join('\n')
/** The table without counters, ids and what packets write. */
const rules = async () =>
  sorted(
    (await table()).replace(/elements = \{[^}]*\}/g, text =>
      text.replace(/\s+/g, ' ').replace(/\b0:[0-9a-f]+\b/g, 'ID'),
    ),
  )

const before = await rules()
const repaired = () =>
  eventually('the table to be as it was', async () => (await rules()) === before, 5000)
const warnings = () => proxy.log.filter(line => line.includes('changed by somebody else'))

const faults: readonly { title: string; command: string; says: RegExp }[] = [
  { title: 'everything is flushed', command: 'flush ruleset', says: /table deleted/ },
  { title: 'the table is deleted', command: 'delete table ip nodeplane', says: /table deleted/ },
  { title: 'a map is emptied', command: 'flush map ip nodeplane lb', says: /1 element deleted/ },
  {
    title: 'an element is deleted',
    command: 'delete element ip nodeplane vips { 10.96.0.1 . tcp . 80 }',
    says: /1 element deleted/,
  },
  {
    title: 'an element is changed',
    command:
      'delete element ip nodeplane lb { ID }; add element ip nodeplane lb { ID : goto ignore }',
    says: /1 element deleted, 1 element added/,
  },
  {
    title: 'an element is added',
    command: 'add element ip nodeplane vips { 10.0.0.1 . tcp . 80 : ID }',
    says: /1 element added/,
  },
  {
    title: 'a rule is added',
    command: 'insert rule ip nodeplane services drop',
    says: /1 rule added/,
  },
  {
    title: 'a rule is put in the place of another',
    command: 'flush chain ip nodeplane ignore; add rule ip nodeplane ignore accept',
    says: /1 rule deleted, 1 rule added/,
  },
  {
    title: 'a chain is emptied',
    command: 'flush chain ip nodeplane prerouting',
    says: /rules? deleted/,
  },
]

for (const { title, command, says } of faults) {
  t.test(`${title}: it is repaired, and the log says who did what`, async t => {
    const count = warnings().length
    await nft(command)
    await repaired()
    t.match(await ask(client.namespace, tcp), [/^a /])
    const line = await eventually('a warning', () => warnings()[count])
    t.match(line, /nft \(pid \d+\): /)
    t.match(line, says)
  })
}

t.test('a flush right after a repair is repaired as well', async t => {
  for (let round = 0; round < 2; round++) {
    await nft('flush ruleset')
    await repaired()
  }
  t.match(await ask(client.namespace, tcp), [/^a /])
})

t.test('established connections live through a flush', async t => {
  const running = await load(client.namespace, tcp)
  await nft('delete table ip nodeplane')
  await repaired()
  await running.stop()
  t.match(await ask(client.namespace, tcp), [/^a /])
})

t.test("others' tables are no reason for a repair, and stay as they are", async t => {
  const count = warnings().length
  const other =
    'table ip other { set s { type ipv4_addr; elements = { 192.0.2.1 }; }\nchain c { drop; }\n}'
  await nft(other)
  await nft('add element ip other s { 192.0.2.2 }; flush chain ip other c')
  await nft('table ip6 nodeplane { chain c { }\n}')
  // Repairs come in the order of their causes: were there one for the other table, it would have come first.
  await nft('delete element ip nodeplane vips { 10.96.0.1 . tcp . 80 }')
  await repaired()
  await eventually('a warning', () => warnings().length > count)
  t.equal(warnings().length, count + 1)
  const list = (await net.node.exec('nft', ['list', 'table', 'ip', 'other'])).stdout
  t.match(list, /192\.0\.2\.1, 192\.0\.2\.2/)
  await nft('delete table ip other; delete table ip6 nodeplane')
})

t.test('what the proxy writes itself is no foreign change', async t => {
  const count = warnings().length
  for (let round = 0; round < 20; round++) {
    proxy.set(slice({ endpoints: [endpoint(round % 2 ? podA.ip4 : podB.ip4)] }))
    await proxy.programmed()
  }
  await nft('delete element ip nodeplane vips { 10.96.0.1 . tcp . 80 }')
  await eventually('a warning', () => warnings().length > count)
  t.equal(warnings().length, count + 1)
  await repaired()
})

t.test('a stopped proxy leaves its rules', async t => {
  await proxy.stop('SIGTERM')
  t.match(await ask(client.namespace, tcp), [/^a /])
})

/** The number that the kernel gave to the table: another one is another table. */
const handle = async () =>
  /nodeplane \{ # handle (\d+)/.exec(
    (await net.node.exec('nft', ['-a', 'list', 'table', 'ip', 'nodeplane'])).stdout,
  )?.[1]

const whileDown: readonly { title: string; command: string; isKept?: true }[] = [
  { title: 'nothing', command: '', isKept: true },
  {
    title: 'a chain that drops all',
    command:
      'add chain ip nodeplane block { type filter hook prerouting priority -200; policy drop; }',
  },
  {
    title: 'a rule in the place of another',
    command: 'flush chain ip nodeplane ignore; add rule ip nodeplane ignore accept',
  },
  {
    title: 'rules in the place of those that balance',
    command: `flush chain ip nodeplane lb-1; ${'add rule ip nodeplane lb-1 drop; '.repeat(3)}`,
  },
]
for (const { title, command, isKept = false } of whileDown) {
  t.test(`what others changed while no proxy ran is repaired at the start: ${title}`, async t => {
    await (await start()).stop('SIGTERM')
    const first = await handle()
    await nft(command)
    const proxy = await start()
    t.equal(await rules(), before)
    t.equal((await handle()) === first, isKept)
    t.match(await ask(client.namespace, tcp), [/^a /])
    await proxy.stop('SIGTERM')
  })
}
