import { join } from 'node:path'
import t from 'tap'
import { leaseFacts } from '#agent/why/collect/leases.ts'
import type { Surroundings } from '#agent/why/collect/surroundings.ts'
import { ip } from '../../../helper/why-facts.ts'

const network = (dataDir: string, ipam: object) => ({
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    { type: 'bridge', ipam: { type: 'host-local', dataDir, ...ipam } },
    { type: 'portmap' },
  ],
})

/** A node with this configuration, these lease files, and a pod on 10.0.0.3. */
function leasesOf(folder: string) {
  const warnings: string[] = []
  const namespaces = [
    {
      path: '/run/netns/a',
      addresses: [{ link: 'eth0', address: ip('10.0.0.3'), isOnLoopback: false }],
    },
  ]
  const surroundings = {
    cniConfDir: join(folder, 'net.d'),
    namespaces,
    log: { warn: (_: object, message: string) => warnings.push(message) },
  }
  return { leases: leaseFacts(surroundings as unknown as Surroundings), warnings }
}

t.test('a range, its leases, and those that no pod has', async t => {
  const folder = t.testdirName
  const config = network(join(folder, 'leases'), { subnet: '10.0.0.0/29' })
  t.testdir({
    'net.d': { '10-pods.conflist': JSON.stringify(config), 'notes.txt': '{' },
    leases: {
      pods: { '10.0.0.2': 'x', '10.0.0.3': 'y', '10.9.9.9': 'z', last_reserved_ip_0: '', lock: '' },
    },
  })
  // Of a /29 six addresses are for hosts, and the gateway has one of them.
  t.strictSame(leasesOf(folder).leases, [
    {
      network: 'pods',
      folder: join(folder, 'leases/pods'),
      range: '10.0.0.1-10.0.0.6',
      size: 5,
      leased: 2,
      leaked: ['10.0.0.2'],
    },
  ])
})

t.test('no network, other kinds of address management, nonsense', async t => {
  t.strictSame(leasesOf(t.testdir()).leases, [])
  const folder = t.testdir({
    'net.d': {
      '1.conf': JSON.stringify({ name: 'a', type: 'bridge', ipam: { type: 'static' } }),
      '2.conf': '{',
    },
  })
  const { leases, warnings } = leasesOf(folder)
  t.strictSame(leases, [])
  t.strictSame(warnings, ['network configuration not understood'])
})
