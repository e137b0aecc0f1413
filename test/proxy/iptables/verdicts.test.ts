import { testVerdicts } from '../verdict-table.ts'
import { FakeIptables } from './fake-iptables.ts'
import { trace } from './interpreter.ts'
import { backendOn, noSignal } from './machine.ts'

testVerdicts({
  // As kube-proxy: such packets pass no chain that refuses, and leave.
  ownToUnserved: 'accept',
  // As kube-proxy: there is no firewall then.
  outsiderToUnserved: 'reset',
  // As kube-proxy: an endpoint has one list of clients, whatever the policy.
  afterOtherPolicy: 'it moves',
  async program({ family, states, detector, masqueradeAll, nodeIPs }) {
    const iptables = new FakeIptables()
    const backend = backendOn(iptables, {
      family,
      detector,
      masqueradeAll,
      nodeIPs,
    })
    await backend.replace(states, noSignal)
    const recent = new Map<string, Set<string>>()
    return (packet, place) => trace(iptables, packet, place, recent)
  },
})
