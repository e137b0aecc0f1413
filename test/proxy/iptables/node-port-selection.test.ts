import t from 'tap'
import type { Service } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import { FakeIptables } from './fake-iptables.ts'
import { trace } from './interpreter.ts'
import { backendOn, noSignal } from './machine.ts'

const NODE_PORT = 30080
/** Addresses of this node, of which node ports answer on the first. */
const selected = '192.0.2.1' as IpAddress
const other = '192.0.2.2'

/** What becomes of connections from outside to the node port on both addresses. */
async function outcomes(
  fields: Partial<Service>,
  nodes: readonly string[],
): Promise<readonly string[]> {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const ports = [servicePort({ nodePort: NODE_PORT })]
  const endpoints = nodes.map(nodeName => endpoint('10.0.0.1', { nodeName }))
  const change = { key: 'default/web', before: undefined } as const
  const after = service({ type: 'NodePort', ports, ...fields })
  tracker.apply({ ...change, kind: 'Service', after })
  tracker.apply({ ...change, kind: 'EndpointSlice', after: slice({ endpoints }) })
  const iptables = new FakeIptables()
  const backend = backendOn(iptables, { nodePortAddresses: () => [selected] })
  await backend.replace([['default/web', tracker.stateOf('default/web')]], noSignal)
  const place = { local: [selected, other], random: () => 0 }
  return [selected, other].map(daddr => {
    const packet = { saddr: '203.0.113.9', daddr, protocol: 'tcp', dport: NODE_PORT }
    const { verdict, dnat } = trace(iptables, packet, place, new Map())
    return dnat ?? verdict
  })
}

const local = { externalTrafficPolicy: 'Local' } as const
const cases: readonly {
  title: string
  fields: Partial<Service>
  nodes: readonly string[]
  want: readonly [selected: string, other: string]
}[] = [
  {
    title: 'with an endpoint it answers on the selected address, the others are left alone',
    fields: {},
    nodes: ['node-2'],
    want: ['10.0.0.1 . 8080', 'accept'],
  },
  // A quirk of kube-proxy's: rules that refuse do not look at the selection.
  { title: 'without one every address refuses', fields: {}, nodes: [], want: ['reset', 'reset'] },
  {
    title: 'under policy Local, with endpoints elsewhere, every address drops',
    fields: local,
    nodes: ['node-2'],
    want: ['drop', 'drop'],
  },
]
for (const { title, fields, nodes, want } of cases) {
  t.test(`a node port on selected addresses: ${title}`, async t => {
    t.strictSame(await outcomes(fields, nodes), want)
  })
}
