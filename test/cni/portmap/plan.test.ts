import t from 'tap'
import { portmapConfigFrom } from '#cni/portmap/config.ts'
import { planMappings } from '#cni/portmap/plan.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { CniResult } from '#cni/spec/result.ts'
import { formatPrefix, type IpPrefix, parsePrefix } from '#net/prefix.ts'

const prefix = (text: string) => parsePrefix(text) as IpPrefix
const result: CniResult = {
  interfaces: [
    { name: 'cni0' },
    { name: 'eth0', sandbox: '/ns' },
    { name: 'net1', sandbox: '/ns' },
  ],
  ips: [
    { address: prefix('10.9.0.1/24'), interface: 2 },
    { address: prefix('10.22.0.5/24'), interface: 1 },
    { address: prefix('10.22.0.6/24'), interface: 1 },
    { address: prefix('fd00:22::5/64'), interface: 1 },
  ],
  routes: [],
  dns: {},
}
const config = (portMappings: readonly object[], fields: object = {}) =>
  portmapConfigFrom({
    cniVersion: '1.0.0',
    name: 'net',
    type: 'portmap',
    prevResult: undefined,
    fields: configObjectFrom({ runtimeConfig: { portMappings }, ...fields }),
  })

/** `family hostIP:hostPort/protocol -> target:port` of each. */
const planned = (mappings: readonly object[], from: CniResult = result, ifname = 'eth0') =>
  planMappings(config(mappings), from, ifname).flatMap(({ family, mappings }) =>
    mappings.map(
      ({ hostIP = '*', hostPort, protocol, target, targetPort }) =>
        `${family} ${hostIP}:${hostPort}/${protocol} -> ${target}:${targetPort}`,
    ),
  )

t.test('a mapping leads to the first address of each family on the interface', async t => {
  t.strictSame(planned([{ hostPort: 80, containerPort: 8080, protocol: 'TCP' }]), [
    '4 *:80/TCP -> 10.22.0.5:8080',
    '6 *:80/TCP -> fd00:22::5:8080',
  ])
  t.strictSame(planned([{ hostPort: 80, containerPort: 8080 }], result, 'net1'), [
    '4 *:80/TCP -> 10.9.0.1:8080',
  ])
})

t.test('a host IP says the family; an unspecified one only that', async t => {
  const at = (hostIP: string) => planned([{ hostPort: 1, containerPort: 2, hostIP }])
  t.strictSame(at('192.0.2.1'), ['4 192.0.2.1:1/TCP -> 10.22.0.5:2'])
  t.strictSame(at('0.0.0.0'), ['4 *:1/TCP -> 10.22.0.5:2'])
  t.strictSame(at('::'), ['6 *:1/TCP -> fd00:22::5:2'])
  t.equal(at('').length, 2)
})

t.test('of two mappings of one port the first counts; other protocols are other ports', async t => {
  const mapping = { hostPort: 1, hostIP: '0.0.0.0' }
  t.strictSame(
    planned([
      { ...mapping, containerPort: 2 },
      { ...mapping, containerPort: 3 },
      { ...mapping, containerPort: 4, protocol: 'udp' },
      { ...mapping, containerPort: 5, protocol: 'sctp' },
    ]),
    ['4 *:1/TCP -> 10.22.0.5:2', '4 *:1/UDP -> 10.22.0.5:4', '4 *:1/SCTP -> 10.22.0.5:5'],
  )
})

t.test('without mappings, or addresses, there is nothing to do', async t => {
  t.strictSame(planned([]), [])
  t.strictSame(planned([{ hostPort: 1, containerPort: 1 }], { ...result, ips: [] }), [])
})

t.test('which sources are hidden', async t => {
  const hidden = (fields: object) =>
    planMappings(config([{ hostPort: 1, containerPort: 1 }], fields), result, 'eth0').map(
      ({ hidden }) => hidden.map(formatPrefix).join(' '),
    )
  t.strictSame(hidden({}), ['10.22.0.0/24 127.0.0.1/32', 'fd00:22::/64'])
  t.strictSame(hidden({ snat: false }), ['', ''])
  t.strictSame(hidden({ masqAll: true }), ['0.0.0.0/0', '::/0'])
})

t.test('the backend follows the language of the conditions', async t => {
  t.equal(config([]).backend, 'nftables')
  t.equal(config([], { conditionsV4: ['!', '-s', '10.0.0.0/8'] }).backend, 'iptables')
  t.equal(config([], { conditionsV6: ['ip6', 'saddr', 'fd00::/8'] }).backend, 'nftables')
  t.equal(config([], { externalSetMarkChain: 'KUBE-MARK-MASQ' }).backend, 'iptables')
  const mixed = { conditionsV4: ['-s', '10.0.0.1'], conditionsV6: ['ip6', 'saddr', '::1'] }
  t.throws(() => config([], mixed), { message: /mixes the languages/ })
  t.throws(() => config([], { externalSetMarkChain: 'X', markMasqBit: 3 }), { message: /excludes/ })
})
