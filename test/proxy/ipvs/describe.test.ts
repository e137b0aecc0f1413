import t from 'tap'
import { describeIpvs, diffIpvs } from '../../../src/proxy/ipvs/describe.ts'
import { numbered, slices } from '../../helper/numbered-services.ts'
import { context, statesOf } from './states.ts'

const rules = { family: 4, detector: undefined, masqueradeAll: false, masqueradeBit: 14 } as const
const pod = { ip4: '10.244.1.2', ip6: 'fd00:244:1::2' } as never
const states = statesOf([numbered(1), ...slices(1, [pod])])

t.test('each Service with its members, virtual servers, destinations and addresses', async t => {
  const lines = [...describeIpvs({ rules, context }, states)]
  const heading = lines.findIndex(line => line.startsWith('# default/s1:TCP/TCP'))
  const end = lines.findIndex(line => line.startsWith('# iptables'))
  const own = lines.slice(heading, end)
  for (const line of [
    'ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:80',
    'ipset add KUBE-NODE-PORT-TCP 30001',
    'ipvsadm -A -t 10.96.0.1:80 -s rr',
    'ipvsadm -a -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 1',
    'ipvsadm -a -u 203.0.113.1:80 -r 10.244.1.2:8080 -m -w 1',
    'ip address add 10.96.0.1/32 dev kube-ipvs0',
  ])
    t.ok(own.includes(line), line)
  t.ok(lines.indexOf('ipset create -exist KUBE-CLUSTER-IP hash:ip,port family inet') < heading)
  t.ok(lines.includes('-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000'))
})

t.test('where nothing is, all is missing', async t => {
  const nothing = { servers: new Map(), addresses: new Set<never>(), members: new Map() }
  const read = async () => ({ kernel: nothing, rules: new Map() })
  const differences = await diffIpvs({ rules, context }, states, read)
  t.strictSame(
    differences.filter(({ found }) => found !== undefined),
    [],
  )
  const places = new Set(differences.map(({ place }) => place.split(' ')[0]))
  t.strictSame(places, new Set(['ipvs', 'link', 'ipset', 'iptables']))
})
