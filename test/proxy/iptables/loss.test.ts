import t from 'tap'
import { isLoss } from '../../../src/proxy/iptables/loss.ts'

const cases = [
  { event: 'rule added', table: 'nat', chain: 'KUBE-SVC-ABC', want: true },
  { event: 'rule deleted', table: 'filter', chain: 'KUBE-FORWARD', want: true },
  { event: 'rule deleted', table: 'nat', chain: 'PREROUTING', want: true },
  { event: 'chain deleted', table: 'mangle', chain: 'KUBE-PROXY-CANARY', want: true },
  { event: 'table deleted', table: 'nat', chain: undefined, want: true },
  { event: 'rule added', table: 'nat', chain: 'PREROUTING', want: false },
  { event: 'rule added', table: 'nat', chain: 'DOCKER', want: false },
  { event: 'chain added', table: 'nat', chain: 'CNI-HOSTPORT-DNAT', want: false },
  { event: 'table added', table: 'nat', chain: undefined, want: false },
  { event: 'table deleted', table: 'raw', chain: undefined, want: false },
  { event: 'rule deleted', table: 'nodeplane', chain: 'KUBE-SERVICES', want: false },
] as const

for (const { event, table, chain, want } of cases) {
  t.test(`${event} in ${table} ${chain ?? ''}: ${want ? 'a loss' : 'none'}`, async t => {
    t.equal(isLoss(event, { table, chain }), want)
  })
}
