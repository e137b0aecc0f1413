import t from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { keyOf } from '#cluster/objects.ts'
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
