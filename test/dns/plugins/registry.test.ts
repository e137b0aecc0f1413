import t from 'tap'
import { registry } from '#dns/plugins/registry.ts'

/** CoreDNS 1.14's plugins in its order (specification, section 5). */
const coredns =
  `root metadata geoip cancel proxyproto quic grpc_server https https3 timeouts multisocket reload nsid bufsize bind
debug trace ready health pprof shed prometheus errors log dnstap local dns64 any chaos loadbalance tsig rewrite autopath acl cache
header dnssec tls minimal template transfer hosts route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward
grpc erratic whoami on sign view nomad`.split(/\s+/)

t.test('every plugin of CoreDNS is known, in its order but for cancel', async t => {
  const names = registry.map(({ name }) => name).filter(name => name !== 'pods_policy')
  t.strictSame(
    names.filter(name => name !== 'cancel'),
    coredns.filter(name => name !== 'cancel'),
  )
  t.ok(names.indexOf('cancel') > names.indexOf('log'), 'behind what logs')
  t.ok(names.indexOf('cancel') < names.indexOf('local'), 'before all that answers')
})

t.test('each is there, or it is said what to do instead', async t => {
  for (const { name, load, instead } of registry) {
    t.equal(load === undefined, instead !== undefined, name)
    if (load !== undefined) t.equal((await load()).name, name)
  }
})
