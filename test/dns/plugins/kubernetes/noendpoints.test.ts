import t from 'tap'
import { Store } from '#cluster/store.ts'
import type { Reply } from '#dns/message.ts'
import type { Handler } from '#dns/plugin.ts'
import { kubernetesPlugin } from '#dns/plugins/kubernetes/plugin.ts'
import { directive, patience, queryFor, setupContext } from '../../../helper/dns.ts'
import { endpoint, namespace, service, slice } from '../../../helper/zone-cluster.ts'

// Specification 7.6: what is left without EndpointSlices.

const store = new Store()
store.replaceAll('Namespace', [namespace('testns')])
store.replaceAll('Service', [
  service({ name: 'svc1', ips: ['10.0.0.1'] }),
  service({ name: 'hdls', ips: ['None'] }),
  service({ name: 'ext', externalName: 'svc1.testns.svc.cluster.local' }),
])
// They are in the store of an agent, whatever one plugin wants.
store.replaceAll('EndpointSlice', [
  slice({ of: 'svc1', endpoints: [endpoint('172.0.0.1')] }),
  slice({ of: 'hdls', endpoints: [endpoint('172.0.0.2')] }),
])

const all = {
  svc1: 1,
  hdls: 'NXDOMAIN',
  '172-0-0-1.svc1': 'NXDOMAIN',
  '172-0-0-2.hdls': 'NXDOMAIN',
}
for (const [options, want] of [
  ['noendpoints', { ...all, ext: 2 }],
  // CoreDNS: then every Service with cluster IP is an empty one; what leads to one has no data.
  ['noendpoints\nignore empty_service', { ...all, svc1: 'NXDOMAIN', ext: 'NOERROR' }],
] as const) {
  t.test(options.replace('\n', ', '), async t => {
    const plugin = await kubernetesPlugin().setup(
      [directive(`kubernetes cluster.local in-addr.arpa\n${options}`)],
      setupContext({ cluster: { open: () => store } }),
    )
    t.teardown(() => plugin.stop?.())
    const handler = plugin.wrap?.(() => undefined) as Handler
    const ask = async (name: string, type = 'A') => {
      const { rcode, answers } = (await handler(queryFor(name, type), patience())) as Reply
      return answers.length > 0 ? answers.length : rcode
    }
    for (const [name, found] of Object.entries(want)) {
      t.equal(await ask(`${name}.testns.svc.cluster.local.`), found, name)
    }
    t.equal(await ask('2.0.0.172.in-addr.arpa.', 'PTR'), 'NXDOMAIN')
  })
}
