import t from 'tap'
import { parseIp } from '#net/ip.ts'
import { endpointsOf } from '../../src/proxy/endpoint.ts'
import { endpoint, slice } from '../helper/cluster.ts'

const port = { portName: '', protocol: 'TCP', clusterIP: parseIp('10.96.0.1') as never } as const
const draining = { conditions: { ready: false, terminating: true } }
const at = (list: ReturnType<typeof endpointsOf>) => list.map(e => `${e.address}:${e.port}`)

t.test('all slices together, each address and port once, sorted by text', async t => {
  const slices = [
    slice({ name: 'b', endpoints: [endpoint('10.0.0.2'), endpoint('10.0.0.10')] }),
    slice({ name: 'a', endpoints: [endpoint('10.0.0.2'), endpoint('10.0.0.1')] }),
  ]
  const want = ['10.0.0.10:8080', '10.0.0.1:8080', '10.0.0.2:8080']
  t.strictSame(at(endpointsOf(port, slices)), want)
  t.strictSame(at(endpointsOf(port, slices.toReversed())), want)
})

t.test(
  'ports are matched by name and protocol; several numbers of one name are all used',
  async t => {
    const ports = [
      { name: 'http', protocol: 'TCP', port: 8080 },
      { name: 'http', protocol: 'TCP', port: 8081 },
      { name: 'http', protocol: 'UDP', port: 8082 },
      { name: 'other', protocol: 'TCP', port: 8083 },
      { name: undefined, protocol: 'TCP', port: 8084 },
      { name: 'http', protocol: 'TCP', port: undefined },
      { name: 'http', protocol: 'TCP', port: 0 },
    ] as const
    const slices = [slice({ ports, endpoints: [endpoint('10.0.0.1')] })]
    t.strictSame(at(endpointsOf({ ...port, portName: 'http' }, slices)), [
      '10.0.0.1:8080',
      '10.0.0.1:8081',
    ])
    t.strictSame(endpointsOf(port, slices), [])
  },
)

t.test(
  'only the first address of an endpoint is used; none, junk or another family is skipped',
  async t => {
    const endpoints = [
      endpoint('10.0.0.1', { addresses: ['10.0.0.1', '10.0.0.9'] }),
      endpoint('', { addresses: [] }),
      endpoint('junk'),
      endpoint('fd00::1'),
    ]
    t.strictSame(at(endpointsOf(port, [slice({ endpoints })])), ['10.0.0.1:8080'])
  },
)

t.test('an IPv4-mapped address is an IPv4 one', async t => {
  const endpoints = [endpoint('::ffff:10.0.0.1'), endpoint('10.0.0.1')]
  t.strictSame(at(endpointsOf(port, [slice({ endpoints })])), ['10.0.0.1:8080'])
  const port6 = { ...port, clusterIP: parseIp('fd00:96::1') as never }
  t.strictSame(endpointsOf(port6, [slice({ endpoints })]), [])
})

t.test('of duplicates one that does not terminate is taken, in any order', async t => {
  const both = [endpoint('10.0.0.1', draining), endpoint('10.0.0.1')]
  for (const endpoints of [both, both.toReversed()]) {
    t.match(endpointsOf(port, [slice({ endpoints })]), [{ terminating: false }])
  }
})
