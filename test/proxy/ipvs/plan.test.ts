import fc from 'fast-check'
import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { type Changes, IpvsPlan, type KernelState } from '../../../src/proxy/ipvs/plan.ts'
import { type PortPlan, portPlan } from '../../../src/proxy/ipvs/port-plan.ts'
import { destinationKey, serverKey } from '../../../src/proxy/ipvs/server.ts'
import { memberKey } from '../../../src/proxy/ipvs/sets.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import { context, statesOf } from './states.ts'

type State = {
  servers: Map<string, NonNullable<ReturnType<KernelState['servers']['get']>>>
  addresses: Set<KernelState['addresses'] extends ReadonlySet<infer T> ? T : never>
  members: Map<string, NonNullable<ReturnType<KernelState['members']['get']>>>
}
const empty = (): State => ({ servers: new Map(), addresses: new Set(), members: new Map() })

/** What a kernel has after these changes; refuses those that make no sense. */
function apply(state: State, changes: Changes): void {
  for (const { server, isPut, add, remove } of changes.servers) {
    const key = serverKey(server)
    const before = state.servers.get(key)
    if (!isPut && before === undefined) throw new Error(`${key} is not there`)
    const destinations = new Map(before?.destinations)
    for (const to of add) destinations.set(destinationKey(to), { ...to, weight: 1, isNat: true })
    for (const to of remove) {
      if (!destinations.delete(destinationKey(to))) throw new Error(`${key} has not ${to.address}`)
    }
    state.servers.set(key, { ...server, destinations })
  }
  const gone = (isThere: boolean, what: string) => {
    if (!isThere) throw new Error(`${what} is not there`)
  }
  for (const server of changes.removedServers) {
    gone(state.servers.delete(serverKey(server)), serverKey(server))
  }
  for (const address of changes.addresses.add) state.addresses.add(address)
  for (const address of changes.addresses.remove) gone(state.addresses.delete(address), address)
  for (const member of changes.members.add) state.members.set(memberKey(member), member)
  for (const member of changes.members.remove) {
    gone(state.members.delete(memberKey(member)), memberKey(member))
  }
}

/** Equal for equal states. */
const textOf = ({ servers, addresses, members }: State) => ({
  servers: [...servers]
    .map(([key, { scheduler, flags, timeoutSeconds, destinations }]) =>
      [key, scheduler, flags, timeoutSeconds, ...[...(destinations?.keys() ?? [])].sort()].join(
        ' ',
      ),
    )
    .sort(),
  addresses: [...addresses].sort(),
  members: [...members.keys()].sort(),
})

const plansOf = (objects: readonly (Service | EndpointSlice)[]) =>
  [...statesOf(objects)].map(
    ([key, ports]) => [key, ports.map(port => portPlan(port, context))] as const,
  )

const names = fc.constantFrom('a', 'b', 'c')
const ips = fc.uniqueArray(fc.constantFrom('198.51.100.1', '198.51.100.2'), { maxLength: 2 })
const policy = fc.constantFrom('Cluster', 'Local')
const someService: fc.Arbitrary<readonly [Service, EndpointSlice]> = fc
  .record({
    name: names,
    clusterIP: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    externalIPs: ips,
    vips: ips,
    nodePort: fc.constantFrom(0, 30_001, 30_002),
    protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    ranges: fc.subarray(['192.0.2.0/24', '192.168.50.0/24']),
    affinityTimeoutSeconds: fc.constantFrom(undefined, 10, 20),
    endpoints: fc.subarray(['10.244.1.2', '10.244.1.3', '10.244.1.4']),
  })
  .map(({ name, vips, nodePort, protocol, ranges, endpoints, ...fields }) => [
    service({
      ...fields,
      name,
      type: 'LoadBalancer',
      loadBalancerIngress: vips.map(ip => ({ ip })),
      loadBalancerSourceRanges: ranges,
      ports: [servicePort({ protocol, nodePort })],
    } as Partial<Service>),
    slice({
      name,
      labels: { [SERVICE_NAME_LABEL]: name },
      ports: [{ name: '', protocol, port: 8080 }],
      endpoints: endpoints.map((ip, index) =>
        endpoint(ip, { nodeName: index === 0 ? 'node-1' : 'node-2' }),
      ),
    }),
  ])

const someCluster = fc.uniqueArray(someService, {
  maxLength: 3,
  selector: ([{ metadata }]) => metadata.name,
})

t.test('whatever changes in whatever order, the kernel has what a start makes', async t => {
  const property = fc.property(fc.array(someService, { maxLength: 12 }), history => {
    const plan = new IpvsPlan()
    const state = empty()
    const last = new Map<string, readonly PortPlan[]>()
    for (const objects of history) {
      for (const [key, ports] of plansOf(objects)) {
        apply(state, plan.update([[key, ports]]))
        last.set(key, ports)
      }
    }
    const fresh = new IpvsPlan()
    const expected = empty()
    const shuffled = [...last].reverse()
    apply(expected, fresh.update(shuffled))
    t.strictSame(textOf(state), textOf(expected))
    t.strictSame(plan.takeFacts(), fresh.takeFacts())
    for (const [key] of last) apply(state, plan.update([[key, []]]))
    t.strictSame(textOf(state), textOf(empty()))
  })
  fc.assert(property, { numRuns: 150 })
})

t.test('from whatever the kernel has, the changes lead to the plan and nowhere else', async t => {
  const property = fc.asyncProperty(someCluster, someCluster, async (before, after) => {
    const [old, plan] = [new IpvsPlan(), new IpvsPlan()]
    const state = empty()
    apply(state, old.update(plansOf(before.flat())))
    const expected = empty()
    apply(expected, plan.update(plansOf(after.flat())))
    apply(state, await plan.changesFrom(state))
    t.strictSame(textOf(state), textOf(expected))
    t.strictSame(await plan.changesFrom(state), NOTHING, 'and then nothing changes')
  })
  await fc.assert(property, { numRuns: 150 })
})

const NOTHING: Changes = {
  servers: [],
  removedServers: [],
  addresses: { add: [], remove: [] },
  members: { add: [], remove: [] },
}

const web = (...ips: readonly string[]) =>
  plansOf([service(), slice({ endpoints: ips.map(ip => endpoint(ip, { nodeName: 'node-2' })) })])

t.test('one endpoint more is one destination, however many there are', async t => {
  const ips = Array.from({ length: 100 }, (_, index) => `10.244.2.${index}`)
  const plan = new IpvsPlan()
  plan.update(web(...ips))
  plan.takeFacts()
  const { servers, ...rest } = plan.update(web(...ips, '10.244.3.1'))
  t.strictSame({ ...rest, servers: [] }, NOTHING)
  t.match(servers, [{ isPut: false, add: [{ address: '10.244.3.1', port: 8080 }], remove: [] }])
  t.equal(plan.takeFacts(), undefined, 'no rule changes')
  t.strictSame(plan.update(web(...ips, '10.244.3.1')), NOTHING, 'the same again is no change')
})

t.test('a destination that is weighed otherwise, or not reached by NAT, is put right', async t => {
  const plan = new IpvsPlan()
  const state = empty()
  apply(state, plan.update(web('10.244.2.1', '10.244.2.2')))
  const [key, server] = [...state.servers][0] as never as [string, KernelServerLike]
  for (const wrong of [{ weight: 0 }, { isNat: false }]) {
    const destinations = new Map(server.destinations)
    const first = destinations.get('10.244.2.1:8080')
    destinations.set('10.244.2.1:8080', { ...first, ...wrong } as never)
    const found = { ...state, servers: new Map([[key, { ...server, destinations }]]) }
    const { servers } = await plan.changesFrom(found as never)
    t.match(servers, [{ isPut: false, add: [{ address: '10.244.2.1' }], remove: [] }])
  }
  const unseen = { ...state, servers: new Map([[key, { ...server, destinations: undefined }]]) }
  t.strictSame(await plan.changesFrom(unseen as never), NOTHING, 'not looked at: nothing to say')
})
type KernelServerLike = { readonly destinations: ReadonlyMap<string, object> }
