import t from 'tap'
import {
  countLocalReady,
  healthCheckChanges,
  renderHealthCheck,
} from '../../../src/proxy/health-check/plan.ts'
import { endpoint, slice } from '../../helper/cluster.ts'

t.test(
  'ready endpoints on this node count, each address once over all slices and ports',
  async t => {
    const here = { nodeName: 'node-1', family: 4 } as const
    const slices = [
      slice({ endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.2', { nodeName: 'node-2' })] }),
      slice({ name: 'other-port', endpoints: [endpoint('10.0.0.1'), endpoint('10.0.0.3')] }),
      slice({
        name: 'not ready',
        endpoints: [
          endpoint('10.0.0.4', { conditions: { ready: false, terminating: true } }),
          endpoint('10.0.0.5', { conditions: { ready: false } }),
        ],
      }),
      slice({
        name: 'odd',
        endpoints: [
          endpoint('x'),
          endpoint('fd00::1'),
          { ...endpoint('10.0.0.6'), nodeName: undefined },
        ],
      }),
    ]
    t.equal(countLocalReady(slices, here), 2)
    t.equal(countLocalReady([], here), 0)
    const mapped = slice({ endpoints: [endpoint('::ffff:10.0.0.1'), endpoint('10.0.0.1')] })
    t.equal(countLocalReady([mapped], here), 1, 'an IPv4-mapped address is the IPv4 one')
    const mappedAlone = slice({ endpoints: [endpoint('::ffff:10.0.0.1')] })
    t.equal(countLocalReady([mappedAlone], here), 1)
    t.equal(countLocalReady([mappedAlone], { ...here, family: 6 }), 0)
  },
)

t.test('endpoints of a slice count when one of its ports can be used', async t => {
  const here = { nodeName: 'node-1', family: 4 } as const
  const named = (name: string | undefined, port: number | undefined) =>
    ({ name, protocol: 'TCP', port }) as const
  for (const [title, ports, want] of [
    ['none: the pod lacks the port that the Service names', [], 0],
    ['without a number', [named('', undefined)], 0],
    ['number 0', [named('', 0)], 0],
    ['without a name', [named(undefined, 8080)], 0],
    ['one of several has a number', [named('a', undefined), named('b', 8080)], 1],
    // kube-proxy does not ask the Service here.
    ['a name that the Service does not have', [named('other', 8080)], 1],
  ] as const) {
    t.equal(
      countLocalReady([slice({ ports, endpoints: [endpoint('10.0.0.1')] })], here),
      want,
      title,
    )
  }
})

t.test('ports are closed before others are opened; a changed one is both', async t => {
  const check = (port: number) => ({ port, localEndpoints: 1 })
  const open = new Map([
    ['a/same', check(1)],
    ['a/moved', check(2)],
    ['a/gone', check(3)],
  ])
  const wanted = new Map([
    ['a/same', { port: 1, localEndpoints: 7 }],
    ['a/moved', check(4)],
    ['a/new', check(3)],
  ])
  t.strictSame(healthCheckChanges(open, wanted), {
    close: ['a/moved', 'a/gone'],
    open: [
      ['a/moved', 4],
      ['a/new', 3],
    ],
  })
})

for (const [localEndpoints, isProxyHealthy, status] of [
  [2, true, 200],
  [0, true, 503],
  [2, false, 503],
] as const) {
  t.test(`${localEndpoints} endpoints, proxy healthy ${isProxyHealthy}: ${status}`, async t => {
    t.strictSame(renderHealthCheck('shop/web', { localEndpoints, isProxyHealthy }), {
      status,
      body: `{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": ${localEndpoints},\n\t"serviceProxyHealthy": ${isProxyHealthy}\n}`,
      contentType: 'application/json',
      headers: { 'x-load-balancing-endpoint-weight': String(localEndpoints) },
    })
  })
}
