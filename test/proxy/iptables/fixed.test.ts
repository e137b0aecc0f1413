import t from 'tap'
import type { IpAddress } from '#net/ip.ts'
import { constantChains, nodePortTail } from '../../../src/proxy/iptables/fixed.ts'

const tail = (...[addresses, options]: Parameters<typeof nodePortTail>) =>
  nodePortTail(addresses, options).map(rule =>
    rule.replace(/-m comment --comment "[^"]*NOTE[^"]*" ?/, ''),
  )

t.test('what no Service has claimed goes to the node ports', async t => {
  const localhost = { family: 4, hasLocalhostNodePorts: true } as const
  const others = { ...localhost, hasLocalhostNodePorts: false }
  const local = '-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS'
  t.strictSame(tail('all', localhost), [local])
  t.strictSame(tail('all', others), [`! -d 127.0.0.0/8 ${local}`])
  t.strictSame(tail('all', { ...others, family: 6 }), [`! -d ::1/128 ${local}`])
  const addresses = ['127.0.0.1', '192.0.2.1'] as IpAddress[]
  const to = (ip: string) => `-d ${ip}/32 -j KUBE-NODEPORTS`
  t.strictSame(tail(addresses, localhost), [to('127.0.0.1'), to('192.0.2.1')])
  t.strictSame(tail(addresses, others), [to('192.0.2.1')])
  t.strictSame(tail(['::1', 'fd00::1'] as IpAddress[], { ...others, family: 6 }), [
    '-d fd00::1/128 -j KUBE-NODEPORTS',
  ])
})

t.test("the chains without Services are kube-proxy's", async t => {
  for (const family of [4, 6] as const) {
    const options = { family, masqueradeBit: 14, dropsInvalid: true, hasLocalhostNodePorts: false }
    t.strictSame(Object.fromEntries(constantChains(options)), {
      'filter KUBE-FORWARD': [
        '-m conntrack --ctstate INVALID -j DROP',
        '-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
        '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      ],
      'nat KUBE-MARK-MASQ': ['-j MARK --set-xmark 0x4000/0x4000'],
      'nat KUBE-POSTROUTING': [
        '-m mark ! --mark 0x4000/0x4000 -j RETURN',
        '-j MARK --set-xmark 0x4000/0x0',
        '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
      ],
      'filter KUBE-PROXY-CANARY': [],
      'nat KUBE-PROXY-CANARY': [],
      'mangle KUBE-PROXY-CANARY': [],
    })
  }
})

t.test('the mark is one bit, and INVALID is dropped unless conntrack is liberal', async t => {
  const options = { family: 4, masqueradeBit: 31, hasLocalhostNodePorts: false } as const
  const drop = '-m conntrack --ctstate INVALID -j DROP'
  const strict = constantChains({ ...options, dropsInvalid: true })
  const liberal = constantChains({ ...options, dropsInvalid: false })
  t.equal(strict.get('filter KUBE-FORWARD')?.[0], drop)
  t.notOk(liberal.get('filter KUBE-FORWARD')?.includes(drop))
  const counting = constantChains({ ...options, dropsInvalid: true, hasCounters: true })
  t.equal(
    counting.get('filter KUBE-FORWARD')?.[0],
    '-m conntrack --ctstate INVALID -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP',
  )
  t.strictSame(strict.get('nat KUBE-MARK-MASQ'), ['-j MARK --set-xmark 0x80000000/0x80000000'])
  t.strictSame(strict.get('nat KUBE-POSTROUTING')?.slice(0, 2), [
    '-m mark ! --mark 0x80000000/0x80000000 -j RETURN',
    '-j MARK --set-xmark 0x80000000/0x0',
  ])
})
