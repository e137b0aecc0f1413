import t from 'tap'
import { parseRequest, type Request } from '#dns/zone/request.ts'

const service = { kind: 'service', namespace: 'ns', service: 'web' } as const
const unknown = { kind: 'unknown' } as const

const rows: readonly [name: string, request: Request][] = [
  ['', { kind: 'apex' }],
  ['svc.', { kind: 'branch' }],
  ['pod.', { kind: 'branch' }],
  ['ns.svc.', { kind: 'namespace', branch: 'svc', namespace: 'ns' }],
  ['ns.pod.', { kind: 'namespace', branch: 'pod', namespace: 'ns' }],
  ['web.ns.svc.', service],
  ['web-0.web.ns.svc.', { ...service, endpoint: 'web-0' }],
  ['_tcp.web.ns.svc.', { ...service, endpoint: '_tcp' }],
  ['_http._tcp.web.ns.svc.', { ...service, port: { name: 'http', protocol: 'tcp' } }],
  ['http.tcp.web.ns.svc.', { ...service, port: { name: 'http', protocol: 'tcp' } }],
  ['a._http._tcp.web.ns.svc.', unknown],
  ['10-0-0-1.ns.pod.', { kind: 'pod', namespace: 'ns', label: '10-0-0-1' }],
  ['a.b.10-0-0-1.ns.pod.', { kind: 'pod', namespace: 'ns', label: '10-0-0-1' }],
  ['a.b.c.10-0-0-1.ns.pod.', unknown],
  ['dns-version.', { kind: 'version' }],
  ['x.dns-version.', unknown],
  ['ns.dns.', { kind: 'server' }],
  ['dns.', unknown],
  ['x.ns.dns.', unknown],
  ['a\\.b.ns.svc.', { ...service, service: 'a\\.b' }],
  ['a\\\\.b.ns.svc.', { ...service, service: 'b', endpoint: 'a\\\\' }],
  ['\\000.ns.svc.', { ...service, service: '\\000' }],
]
for (const zone of ['cluster.local.', 'k8s.']) {
  for (const [name, request] of rows) {
    t.strictSame(parseRequest(name + zone, zone), request, name + zone)
  }
}
t.strictSame(parseRequest('web.ns.svc.', '.'), service, 'the root zone')
