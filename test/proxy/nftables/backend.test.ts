import t from 'tap'
import type { ForeignChange } from '#linux/nft-monitor.ts'
import type { TableWatch } from '../../../src/proxy/foreign-changes.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import { FakeKernel } from './fake-kernel.ts'
import { backendOn, Machine, noSignal } from './machine.ts'

/** A kernel with `default/web` on these endpoints, and what the next writes are. */
async function running(addresses: readonly string[]) {
  const machine = new Machine()
  machine.store.set('Service', service({ ports: [servicePort({ nodePort: 30080 })] }))
  const setEndpoints = (list: readonly string[]) =>
    machine.store.set('EndpointSlice', slice({ endpoints: list.map(ip => endpoint(ip)) }))
  setEndpoints(addresses)
  await machine.sync()
  machine.kernel.log.length = 0
  return { machine, setEndpoints }
}

t.test('an added endpoint is one element and one verdict, in one transaction', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2'])
  setEndpoints(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  await machine.sync()
  t.strictSame(machine.kernel.log, [
    [
      'add chain ip np lb-3',
      'add rule ip np lb-3 meta l4proto tcp dnat ip to meta priority . numgen random mod 3 map @endpoints-tcp',
      'add rule ip np lb-3 meta l4proto udp dnat ip to meta priority . numgen random mod 3 map @endpoints-udp',
      'add rule ip np lb-3 meta l4proto sctp dnat ip to meta priority . numgen random mod 3 map @endpoints-sctp',
      'delete element ip np lb { 0:1 }',
      'add element ip np lb { 0:1 : goto lb-3 }',
      'add element ip np endpoints-tcp { 0:1 . 2 : 10.0.0.3 . 8080 }',
      'add element ip np hairpins { 10.0.0.3 . 10.0.0.3 }',
      '',
    ].join('\n'),
  ])
})

t.test('one of 5,000 endpoints more or less is as small a change', async t => {
  const many = Array.from({ length: 5000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
  const { machine, setEndpoints } = await running(many)
  setEndpoints([...many, '10.1.0.1'])
  await machine.sync()
  setEndpoints(many)
  await machine.sync()
  const lines = machine.kernel.log.flatMap(text => text.trimEnd().split('\n'))
  t.ok(lines.length < 25, `${lines.length} lines`)
  t.ok(
    lines.every(line => line.length < 200),
    'each about one thing',
  )
})

t.test(
  'a removed endpoint: the last moves into the hole; its slot goes in a later transaction',
  async t => {
    const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    setEndpoints(['10.0.0.2', '10.0.0.3'])
    await machine.sync()
    t.strictSame(machine.kernel.log, [
      [
        'add chain ip np lb-2',
        'add rule ip np lb-2 meta l4proto tcp dnat ip to meta priority . numgen random mod 2 map @endpoints-tcp',
        'add rule ip np lb-2 meta l4proto udp dnat ip to meta priority . numgen random mod 2 map @endpoints-udp',
        'add rule ip np lb-2 meta l4proto sctp dnat ip to meta priority . numgen random mod 2 map @endpoints-sctp',
        'delete element ip np lb { 0:1 }',
        'add element ip np lb { 0:1 : goto lb-2 }',
        'delete element ip np endpoints-tcp { 0:1 . 0 }',
        'add element ip np endpoints-tcp { 0:1 . 0 : 10.0.0.3 . 8080 }',
        'delete element ip np hairpins { 10.0.0.1 . 10.0.0.1 }',
        '',
      ].join('\n'),
      'delete element ip np endpoints-tcp { 0:1 . 2 }\n',
    ])
  },
)

t.test('without endpoints connections are refused, not dropped', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1'])
  setEndpoints([])
  await machine.sync()
  t.equal(machine.kernel.list('ip np')?.elements.get('lb')?.get('0:1'), 'goto refuse')
  t.equal(machine.kernel.list('ip np')?.elements.get('endpoints-tcp')?.size, 0)
})

t.test('internal policy Local with endpoints elsewhere only drops', async t => {
  const machine = new Machine()
  machine.store.set('Service', service({ internalTrafficPolicy: 'Local' }))
  machine.store.set(
    'EndpointSlice',
    slice({ endpoints: [endpoint('10.0.0.1', { nodeName: 'b' })] }),
  )
  await machine.sync()
  t.equal(machine.kernel.list('ip np')?.elements.get('lb')?.get('0:1'), 'goto ignore')
})

t.test('a restart writes nothing when nothing changed', async t => {
  const { machine } = await running(['10.0.0.1', '10.0.0.2'])
  machine.restart()
  await machine.sync()
  t.strictSame(machine.kernel.log, [])
})

t.test('a restart keeps ids and slots, and writes only what changed meanwhile', async t => {
  const { machine, setEndpoints } = await running(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  setEndpoints(['10.0.0.3', '10.0.0.4', '10.0.0.2'])
  machine.restart()
  await machine.sync()
  t.strictSame(machine.kernel.log, [
    [
      'delete element ip np endpoints-tcp { 0:1 . 0 }',
      'add element ip np endpoints-tcp { 0:1 . 0 : 10.0.0.4 . 8080 }',
      'delete element ip np hairpins { 10.0.0.1 . 10.0.0.1 }',
      'add element ip np hairpins { 10.0.0.4 . 10.0.0.4 }',
      '',
    ].join('\n'),
  ])
})

const foreign: readonly {
  readonly title: string
  readonly change: (kernel: FakeKernel) => void
}[] = [
  { title: 'whose rules were flushed', change: kernel => kernel.flushRules('ip np') },
  {
    title: 'with a chain of somebody else',
    change: kernel => kernel.apply('add chain ip np block\nadd rule ip np block drop\n'),
  },
  {
    title: 'with a chain of somebody else that is named like a marker',
    change: kernel => kernel.apply('add chain ip np layout-0\n'),
  },
  {
    title: 'with another rule in the place of one',
    change: kernel => kernel.replaceRule('ip np', 'ignore', 'accept'),
  },
  {
    title: 'with another rule in the place of one that balances',
    change: kernel => kernel.replaceRule('ip np', 'lb-1', 'accept'),
  },
  {
    title: 'with a rule in its marker',
    change: kernel => {
      const marker = kernel
        .list('ip np')
        ?.chains.keys()
        .find(name => name.startsWith('layout-'))
      kernel.apply(`add rule ip np ${marker} drop\n`)
    },
  },
]
for (const { title, change } of foreign) {
  t.test(`a restart makes a table ${title} anew`, async t => {
    const { machine } = await running(['10.0.0.1'])
    const before = machine.kernel.ruleset('ip np')
    change(machine.kernel)
    machine.restart()
    await machine.sync()
    t.strictSame(machine.kernel.ruleset('ip np'), before)
  })
}

t.test('a failed listing does not make a suspect table trusted', async t => {
  const kernel = new FakeKernel()
  const others: ForeignChange[] = []
  const watch: TableWatch = {
    next: async () => others.pop() ?? (await new Promise<never>(() => {})),
    [Symbol.dispose]: () => {},
  }
  const { backend, faults } = backendOn(kernel, watch)
  await backend.replace([], noSignal)
  const transactions = kernel.log.length
  others.push({ reason: 'nft (pid 17): 1 rule added', isElementsOnly: false })
  void backend.guard(() => {}, noSignal)
  await new Promise(resolve => setImmediate(resolve))
  faults.failListing = true
  await t.rejects(backend.replace([], noSignal), { code: 'ERR_NFT' })
  faults.failListing = false
  await backend.replace([], noSignal)
  t.equal(kernel.log.length, transactions + 1, 'it is made anew')
  await backend.replace([], noSignal)
  t.equal(kernel.log.length, transactions + 1, 'once')
})

t.test('a restart gives no id out that packets may be on the way to', async t => {
  const { machine } = await running(['10.0.0.1'])
  machine.store.set('Service', service({ name: 'gone', clusterIP: '10.96.0.11' }))
  await machine.sync()
  machine.kernel.log.length = 0
  machine.store.delete('Service', 'default/gone')
  machine.store.set('Service', service({ name: 'new', clusterIP: '10.96.0.12' }))
  machine.restart()
  await machine.sync()
  const idOf = (ip: string) =>
    machine.kernel.list('ip np')?.elements.get('vips')?.get(`${ip} . tcp . 80`)
  t.equal(idOf('10.96.0.12'), '0:3', 'not 0:2, which the other had')
  t.strictSame(machine.kernel.log.at(-1), 'delete element ip np lb { 0:2 }\n')
  machine.store.set('Service', service({ name: 'next', clusterIP: '10.96.0.13' }))
  await machine.sync()
  t.equal(idOf('10.96.0.13'), '0:2', 'now it is free')
})

t.test('of two Services on one address and port the one whose name sorts first has it', async t => {
  const { machine } = await running(['10.0.0.1'])
  const owner = () =>
    machine.kernel.list('ip np')?.elements.get('vips')?.get('10.96.0.10 . tcp . 80')
  machine.store.set('Service', service({ name: 'another' }))
  await machine.sync()
  t.equal(owner(), '0:2')
  machine.store.delete('Service', 'default/another')
  await machine.sync()
  t.equal(owner(), '0:1')
})

t.test(
  'a removed endpoint is forgotten by its clients alone, in a transaction of its own',
  async t => {
    const machine = new Machine()
    const setEndpoints = (list: readonly string[]) =>
      machine.store.set('EndpointSlice', slice({ endpoints: list.map(ip => endpoint(ip)) }))
    machine.store.set('Service', service({ affinityTimeoutSeconds: 60 }))
    setEndpoints(['10.0.0.1', '10.0.0.2'])
    await machine.sync()
    machine.kernel.connect('ip np', '203.0.113.1', 0)
    machine.kernel.connect('ip np', '203.0.113.2', 1)
    machine.kernel.log.length = 0
    setEndpoints(['10.0.0.2'])
    await machine.sync()
    t.equal(machine.kernel.log.length, 3)
    t.equal(
      machine.kernel.log.at(-1),
      [
        'add element ip np affinity-tcp { 0:1 . 203.0.113.1 : 10.0.0.1 . 8080 }',
        'delete element ip np affinity-tcp { 0:1 . 203.0.113.1 }',
        '',
      ].join('\n'),
    )
    machine.kernel.log.length = 0
    setEndpoints(['10.0.0.2', '10.0.0.3'])
    await machine.sync()
    t.equal(machine.kernel.log.length, 1, 'a new endpoint makes nobody forget')
  },
)

t.test('changed source ranges are a change of those elements alone', async t => {
  const machine = new Machine()
  const setRanges = (...loadBalancerSourceRanges: readonly string[]) =>
    machine.store.set(
      'Service',
      service({
        type: 'LoadBalancer',
        loadBalancerIngress: [{ ip: '203.0.113.5' }],
        loadBalancerSourceRanges,
      }),
    )
  setRanges('10.0.0.0/8', '10.1.0.0/16')
  await machine.sync()
  machine.kernel.log.length = 0
  setRanges('10.1.0.0/16')
  await machine.sync()
  t.strictSame(machine.kernel.log, [
    [
      'delete element ip np source-ranges { 203.0.113.5 . tcp . 80 . 10.0.0.0/8 }',
      'add element ip np source-ranges { 203.0.113.5 . tcp . 80 . 10.1.0.0/16 }',
      '',
    ].join('\n'),
  ])
})
