import t from 'tap'
import { endpoint, service, servicePort, slice } from '../builders.ts'
import { Machine } from './machine.ts'
import { meaningOf } from './meaning.ts'

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

t.test('a table whose rules were flushed is made anew', async t => {
  const { machine } = await running(['10.0.0.1'])
  const before = meaningOf(machine.kernel.list('ip np'))
  machine.kernel.flushRules('ip np')
  machine.restart()
  await machine.sync()
  t.ok((machine.kernel.list('ip np')?.chains.get('services') ?? 0) > 0)
  t.strictSame(meaningOf(machine.kernel.list('ip np')), before)
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
