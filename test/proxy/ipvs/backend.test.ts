import { pino } from 'pino'
import t from 'tap'
import type { ServicePortState } from '../../../src/proxy/change-tracker.ts'
import { IpvsBackend } from '../../../src/proxy/ipvs/backend.ts'
import { eventually } from '../../helper/eventually.ts'
import { HeldClock } from '../../helper/held-clock.ts'
import { numbered, slices } from '../../helper/numbered-services.ts'
import { FakeKernel } from './fake-kernel.ts'
import { statesOf } from './states.ts'

const PERIOD_MS = 1000
const pods = [{ ip4: '10.244.1.2', ip6: 'fd00:244:1::2' }] as never
const signal = new AbortController().signal

/** The state of these Services, each with an endpoint. */
const states = (...numbers: readonly number[]) =>
  statesOf(numbers.flatMap(number => [numbered(number), ...slices(number, pods)]))
const gone = (number: number): readonly (readonly [string, readonly ServicePortState[]])[] => [
  [`default/s${number}`, []],
]

function setUp() {
  const kernel = new FakeKernel()
  const clock = new HeldClock()
  const said: { msg: string; set: string }[] = []
  const backend = new IpvsBackend({
    family: 4,
    node: { nodeName: 'node-1', nodeIPs: [], scheduler: 'rr' },
    nodePortAddresses: [],
    kernel,
    firewall: { write: async () => {}, isIntact: async () => true },
    periodMs: PERIOD_MS,
    clock,
    log: pino({}, { write: line => void said.push(JSON.parse(line) as never) }),
  })
  const lost: string[] = []
  /** Lets the guard look once more. */
  const look = async () => {
    await eventually('the guard to wait', () => clock.sleepers === 1)
    clock.advance(PERIOD_MS)
    await eventually('the guard to have looked', () => clock.sleepers === 1)
  }
  const stop = new AbortController()
  const guard = backend.guard(reason => lost.push(reason), stop.signal)
  t.teardown(async () => {
    stop.abort()
    await guard
  })
  return { kernel, backend, said, lost, look }
}

t.test('a full set does not hold what else there is to program, and is told once', async t => {
  const { kernel, backend, said, lost, look } = setUp()
  // Each of the three Services has a TCP and a UDP port.
  kernel.capacity = 4
  await backend.replace(states(1, 2, 3), signal)
  await backend.update(states(4), signal)
  for (const number of [1, 2, 3, 4]) {
    t.ok(kernel.bound.has(`10.96.0.${number}` as never), 'its address')
    t.equal(kernel.servers.get(`UDP 10.96.0.${number}:80`)?.destinations?.size, 1, 'its servers')
  }
  t.equal(kernel.membersOf('CLUSTER-IP').length, 4)
  t.equal(kernel.membersOf('IPVS-IPS').length, 4)
  const ofSet = said.filter(({ set }) => set === 'KUBE-CLUSTER-IP')
  t.match(ofSet, [{ level: 50, msg: 'the ipset is full: it lacks members' }])
  t.equal(ofSet.length, 1)
  await look()
  t.strictSame(lost, [], 'what cannot be added is no loss')

  await backend.update(gone(1), signal)
  await look()
  t.match(lost, [/^members of sets: \d+$/], 'there is room now')
  await backend.replace(states(2, 3, 4), signal)
  t.equal(kernel.membersOf('CLUSTER-IP').length, 4)
  t.equal(said.filter(({ set }) => set === 'KUBE-CLUSTER-IP').length, 1)
})

t.test('what others take away is a loss', async t => {
  const { kernel, backend, said, lost, look } = setUp()
  await backend.replace(states(1, 2), signal)
  await look()
  t.strictSame(lost, [])
  kernel.members.clear()
  await look()
  t.match(lost, [/^members of sets: \d+$/])
  await backend.replace(states(1, 2), signal)
  t.equal(kernel.membersOf('CLUSTER-IP').length, 4)
  t.strictSame(said, [])
})
