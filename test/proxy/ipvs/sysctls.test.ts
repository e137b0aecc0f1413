import t from 'tap'
import { wantedSysctls } from '../../../src/proxy/ipvs/sysctls.ts'

const releases: readonly { release: string; reuse: boolean }[] = [
  { release: '3.10.0-1160.el7', reuse: false },
  { release: '4.0.9', reuse: false },
  { release: '4.1.0', reuse: true },
  { release: '5.8.18-generic', reuse: true },
  { release: '5.9.0', reuse: false },
  { release: '6.1.0-18-amd64', reuse: false },
]
for (const { release, reuse } of releases) {
  t.test(
    `kernel ${release}: conn_reuse_mode is ${reuse ? 'turned off' : 'left alone'}`,
    async t => {
      const value = new Map(wantedSysctls(release, false)).get('net/ipv4/vs/conn_reuse_mode')
      t.equal(value, reuse ? '0' : undefined)
    },
  )
}

t.test('all that is set, in order', async t => {
  const always = [
    ['net/ipv4/vs/expire_nodest_conn', '1'],
    ['net/ipv4/vs/expire_quiescent_template', '1'],
    ['net/ipv4/ip_forward', '1'],
  ]
  t.strictSame(wantedSysctls('6.1.0', false), [['net/ipv4/vs/conntrack', '1'], ...always])
  t.strictSame(wantedSysctls('5.4.0', true), [
    ['net/ipv4/vs/conntrack', '1'],
    ['net/ipv4/vs/conn_reuse_mode', '0'],
    ...always,
    ['net/ipv4/conf/all/arp_ignore', '1'],
    ['net/ipv4/conf/all/arp_announce', '2'],
  ])
})

t.test('strict ARP keeps the addresses of Services off the wire', async t => {
  const arp = (strictARP: boolean) =>
    wantedSysctls('6.1.0', strictARP).filter(([path]) => path.includes('/arp_'))
  t.strictSame(arp(false), [])
  t.strictSame(arp(true), [
    ['net/ipv4/conf/all/arp_ignore', '1'],
    ['net/ipv4/conf/all/arp_announce', '2'],
  ])
})
