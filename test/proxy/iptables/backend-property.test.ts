import assert from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import type { ServiceStates } from '../../../src/proxy/backend.ts'
import { names, sliceNames, someService, someSlice } from '../arbitrary-cluster.ts'
import { FakeIptables } from './fake-iptables.ts'
import { backendOn, Machine, noSignal, statesOf } from './machine.ts'

async function fromScratch(states: ServiceStates): Promise<FakeIptables> {
  const iptables = new FakeIptables()
  await backendOn(iptables).replace(states, noSignal)
  return iptables
}

/** Chains in the order of their names; the order in which they were made means nothing. */
const contents = ({ tables }: FakeIptables) =>
  Array.from(tables, ([name, chains]) => [name, [...chains].sort(([a], [b]) => (a < b ? -1 : 1))])

type Step = (machine: Machine) => void | Promise<void>
const step: fc.Arbitrary<Step> = fc.oneof(
  someService.map<Step>(object => machine => machine.store.set('Service', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  someSlice.map<Step>(object => machine => machine.store.set('EndpointSlice', object)),
  names.map<Step>(name => machine => machine.store.delete('Service', `default/${name}`)),
  sliceNames.map<Step>(name => machine => machine.store.delete('EndpointSlice', `default/${name}`)),
  fc.constant<Step>(machine => machine.sync()),
  fc.constant<Step>(machine => machine.sync()),
  fc.nat({ max: 3 }).map<Step>(tables => machine => machine.sync(tables)),
  fc.constant<Step>(machine => machine.restart()),
)

t.test('after any events, faults and restarts the tables are as built from scratch', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
    const machine = new Machine()
    for (const run of steps) await run(machine)
    // The first one may be the repair of an injected fault.
    await machine.sync()
    await machine.sync()
    const expected = await fromScratch(statesOf(machine.store))
    assert.deepStrictEqual(contents(machine.iptables), contents(expected))
  })
  await fc.assert(property, { numRuns: 300 })
})
