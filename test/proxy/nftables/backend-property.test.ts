import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import type { ServiceStates } from '../../../src/proxy/backend.ts'
import type { ServicePortState } from '../../../src/proxy/change-tracker.ts'
import { names, sliceNames, someService, someSlice } from '../arbitrary-cluster.ts'
import { FakeKernel } from './fake-kernel.ts'
import { backendOn, Machine, noSignal, statesOf } from './machine.ts'
import { type Meaning, meaningOf } from './meaning.ts'

/** Where one destination is to lead to. */
type Expected = { readonly outside: readonly string[]; readonly inside?: readonly string[] }

/** What each destination is to lead to, said without the plan: of several claims the first by name. */
function destinationsOf(states: ServiceStates): Record<string, Expected> {
  const ports = Array.from(states, ([, list]) => list).flat()
  const nameOf = ({ service, portName, protocol }: ServicePortState) =>
    [service, portName, protocol].join(' ')
  // Later ones overwrite.
  const inOrder = ports.toSorted((a, b) => (nameOf(a) > nameOf(b) ? -1 : 1))
  const expected: Record<string, Expected> = {}
  for (const port of inOrder) {
    const protocol = port.protocol.toLowerCase()
    const external = port.externalPolicyLocal
      ? { outside: routed(port, 'local'), inside: routed(port, 'cluster') }
      : { outside: routed(port, 'cluster') }
    for (const ip of [...port.externalIPs, ...port.loadBalancerVIPs]) {
      expected[`${ip} . ${protocol} . ${port.port}`] = external
    }
    if (port.nodePort !== 0) expected[`${protocol} . ${port.nodePort}`] = external
    const scope = port.internalPolicyLocal ? 'local' : 'cluster'
    const clusterIP = `${port.clusterIP} . ${protocol} . ${port.port}`
    expected[clusterIP] = { outside: routed(port, scope) }
  }
  return expected
}

function routed(port: ServicePortState, scope: 'cluster' | 'local'): readonly string[] {
  const { endpoints, protocol, affinityTimeoutSeconds: seconds } = port
  const usable = endpoints[scope].map(
    ({ address, port }) => `${protocol.toLowerCase()} ${address} . ${port}`,
  )
  if (usable.length === 0) return [endpoints.hasAny ? 'goto ignore' : 'goto refuse']
  return [...(seconds === undefined ? [] : [`goto remember-${seconds}`]), ...usable.toSorted()]
}

function destinationsIn(meaning: Meaning): Record<string, Expected> {
  const inside = { ...meaning.vipsInside, ...meaning.nodePortsInside }
  const all = Object.entries({ ...meaning.vips, ...meaning.nodePorts }).map(([key, outside]) => [
    key,
    { outside, ...(key in inside ? { inside: inside[key] } : {}) },
  ])
  return Object.fromEntries(all) as Record<string, Expected>
}

async function fromScratch(states: ServiceStates): Promise<Meaning> {
  const kernel = new FakeKernel()
  await backendOn(kernel).backend.replace(states, noSignal)
  return meaningOf(kernel.list('ip np'))
}

type Step = (machine: Machine) => void | Promise<void>
const step: fc.Arbitrary<Step> = fc.oneof(
  someService.map<Step>(object => machine => machine.store.set('Service', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  names.map<Step>(name => machine => machine.store.delete('Service', `default/${name}`)),
  sliceNames.map<Step>(name => machine => machine.store.delete('EndpointSlice', `default/${name}`)),
  fc.constant<Step>(machine => machine.sync()),
  fc.constant<Step>(machine => machine.sync()),
  fc.constant<Step>(machine => machine.sync()),
  fc.nat({ max: 2 }).map<Step>(writes => machine => machine.sync(writes)),
  fc.constant<Step>(machine => machine.restart()),
  fc.nat().map<Step>(seed => machine => machine.kernel.connect('ip np', '203.0.113.1', seed)),
)

t.test('after any events, faults and restarts the kernel is as built from scratch', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
    const machine = new Machine()
    for (const run of steps) await run(machine)
    // The first one may be the repair of an injected fault.
    await machine.sync()
    await machine.sync()
    const states = statesOf(machine.store)
    const meaning = meaningOf(machine.kernel.list('ip np'))
    assert.deepStrictEqual(meaning, await fromScratch(states))
    assert.deepStrictEqual(destinationsIn(meaning), destinationsOf(states))
  })
  await fc.assert(property, { numRuns: 300 })
})
