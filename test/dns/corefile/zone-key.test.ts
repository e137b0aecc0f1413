import t from 'tap'
import { parseZoneKey, reverseZones } from '../../../src/dns/corefile/zone-key.ts'
import { parsePrefix } from '../../../src/net/prefix.ts'

const keys: readonly {
  key: string
  scheme?: string
  zones: readonly string[]
  port?: number
}[] = [
  { key: '.', zones: ['.'] },
  { key: '.:53', zones: ['.'], port: 53 },
  { key: ':1053', zones: ['.'], port: 1053 },
  { key: 'dns://.:5300', zones: ['.'], port: 5300 },
  { key: 'tls://example.org', scheme: 'tls', zones: ['example.org.'] },
  { key: 'https://.:8443', scheme: 'https', zones: ['.'], port: 8443 },
  { key: 'grpc://10.0.0.0/8', scheme: 'grpc', zones: ['10.in-addr.arpa.'] },
  { key: 'Example.ORG', zones: ['example.org.'] },
  { key: 'example.org.:53', zones: ['example.org.'], port: 53 },
  { key: '10.0.0.0/24', zones: ['0.0.10.in-addr.arpa.'] },
  { key: '10.0.0.0/24:53', zones: ['0.0.10.in-addr.arpa.'], port: 53 },
  { key: '10.0.0.0/15', zones: ['0.10.in-addr.arpa.', '1.10.in-addr.arpa.'] },
  { key: '10.9.8.7/8', zones: ['10.in-addr.arpa.'] },
  { key: '1234:abcd::/64', zones: ['0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa.'] },
  { key: '2001:db8::/31', zones: ['8.b.d.0.1.0.0.2.ip6.arpa.', '9.b.d.0.1.0.0.2.ip6.arpa.'] },
  { key: '0.0.0.0/0', zones: ['in-addr.arpa.'] },
  { key: 'a\\.b.org', zones: ['a\\.b.org.'] },
]
for (const { key, scheme = 'dns', zones, port } of keys) {
  t.test(`the key ${key} is ${zones.join(' and ')}, port ${port ?? 'of the server'}`, async t => {
    t.strictSame(parseZoneKey(key), { scheme, zones, port })
  })
}

const wrong: readonly { key: string; message: string }[] = [
  { key: 'quic://.', message: 'quic:// is known but not supported; serve tls://' },
  {
    key: 'https3://example.org:443',
    message: 'https3:// is known but not supported; serve https://',
  },
  { key: 'ftp://.', message: "unknown scheme 'ftp'" },
  { key: '.:70000', message: '70000 is not a port' },
  { key: '.:', message: 'the port is missing' },
  { key: 'a..b', message: "'a..b' is not a domain name" },
  { key: `${'a'.repeat(64)}.org`, message: 'is not a domain name' },
  { key: 'a.'.repeat(130), message: 'is not a domain name' },
]
for (const { key, message } of wrong) {
  t.test(`refuses the key ${key.slice(0, 30)}`, async t => {
    t.match(parseZoneKey(key), message)
  })
}

t.test('a /25 has the 128 names of its addresses', async t => {
  const prefix = parsePrefix('10.0.0.128/25')
  if (prefix === undefined) throw new Error('not a prefix')
  const zones = reverseZones(prefix)
  t.equal(zones.length, 128)
  t.equal(zones[0], '128.0.0.10.in-addr.arpa.')
  t.equal(zones.at(-1), '255.0.0.10.in-addr.arpa.')
})
