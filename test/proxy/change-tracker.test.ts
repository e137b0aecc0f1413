import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { keyOf, SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import { ChangeTracker } from '../../src/proxy/change-tracker.ts'
import { defaultConfig } from '../../src/proxy/config/schema.ts'
import { settingsFrom } from '../../src/proxy/config/to-settings.ts'
import { endpoint, service, servicePort, slice } from '../helper/cluster.ts'

const place = { nodeName: 'node-1' }
const apply = (tracker: ChangeTracker, object: EndpointSlice | Service) =>
  tracker.apply({
    kind: object.kind,
    key: keyOf(object),
    before: undefined,
    after: object,
  } as never)

t.test('slices that come before their Service wait for it', async t => {
  const tracker = new ChangeTracker(4, place)
  t.strictSame(apply(tracker, slice({ endpoints: [endpoint('10.0.0.1')] })), ['default/web'])
  t.strictSame(tracker.stateOf('default/web'), [])
  apply(tracker, service())
  t.strictSame(
    tracker.stateOf('default/web')[0]?.endpoints.cluster.map(({ address }) => address),
    ['10.0.0.1'],
  )
})

/** The addresses that the Service's only port may use, or undefined when it has none. */
const addressesOf = (tracker: ChangeTracker) =>
  tracker.stateOf('default/web')[0]?.endpoints.cluster.map(({ address }) => address)

t.test('a Service that is given to another proxy is gone, and comes back', async t => {
  const tracker = new ChangeTracker(4, place)
  apply(tracker, slice({ endpoints: [endpoint('10.0.0.1')] }))
  apply(tracker, service())
  t.strictSame(addressesOf(tracker), ['10.0.0.1'])
  // Whatever the label says. The API server would leave such a Service out; manifests are not selected by it.
  for (const value of ['', 'other']) {
    const labels = { 'service.kubernetes.io/service-proxy-name': value }
    t.strictSame(apply(tracker, service({ labels })), ['default/web'])
    t.strictSame(tracker.stateOf('default/web'), [])
    t.strictSame([...tracker.services()], [])
    apply(tracker, service())
    t.strictSame(addressesOf(tracker), ['10.0.0.1'], 'its endpoints are still known')
  }
})

const notUsed: readonly { title: string; object: EndpointSlice }[] = [
  {
    title: 'for a headless Service, whatever the label says',
    object: slice({
      labels: { [SERVICE_NAME_LABEL]: 'web', 'service.kubernetes.io/headless': '' },
      endpoints: [endpoint('10.0.0.9')],
    }),
  },
  { title: 'of no Service', object: slice({ labels: {}, endpoints: [endpoint('10.0.0.9')] }) },
  {
    title: 'of the other family',
    object: slice({ addressType: 'IPv6', endpoints: [endpoint('fd00::9')] }),
  },
  {
    title: 'of names',
    object: slice({ addressType: 'FQDN', endpoints: [endpoint('web.example.org')] }),
  },
]
for (const { title, object } of notUsed) {
  t.test(`a slice ${title} is left out; one that becomes so is gone`, async t => {
    const tracker = new ChangeTracker(4, place)
    apply(tracker, service())
    const used = slice({ endpoints: [endpoint('10.0.0.1')] })
    t.strictSame(apply(tracker, object), [])
    t.strictSame(addressesOf(tracker), [])
    apply(tracker, used)
    const change = {
      kind: 'EndpointSlice',
      key: keyOf(object),
      before: used,
      after: object,
    } as const
    t.strictSame(tracker.apply(change), ['default/web'])
    t.strictSame(addressesOf(tracker), [])
  })
}

t.test(
  'AllowServiceExternalIPs: false leaves out externalIPs, also for the UDP clean-up',
  async t => {
    const config = { ...defaultConfig(), featureGates: { AllowServiceExternalIPs: false } }
    const settings = settingsFrom(config, { nodeName: 'n', node: undefined })
    const fields = { externalIPs: ['198.51.100.1'], ports: [servicePort({ protocol: 'UDP' })] }
    for (const [options, want] of [
      [{}, ['198.51.100.1']],
      [settings, []],
    ] as const) {
      const tracker = new ChangeTracker(4, place, options)
      apply(tracker, service({ ...fields, loadBalancerIngress: [{ ip: '203.0.113.1' }] }))
      const [state] = tracker.stateOf('default/web')
      const [flow] = tracker.endpointsOf('default/web', 'UDP')
      t.strictSame([state?.externalIPs, flow?.externalIPs], [want, want])
      t.strictSame(state?.loadBalancerVIPs, ['203.0.113.1'], 'other addresses stay')
    }
  },
)
