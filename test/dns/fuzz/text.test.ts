import fc from 'fast-check'
import t from 'tap'
import { parseCorefile } from '#dns/corefile/parser.ts'
import { parseZoneFile } from '#dns/zonefile/zone-file.ts'
import { ZoneFileError } from '#dns/zonefile/zone-file-error.ts'
import { ConfigError } from '#runtime/error.ts'
import { fuzzOptions, hostileText } from '../../helper/fuzz.ts'

const zones = [
  `$ORIGIN example.org.
$TTL 1h
@ IN SOA ns hostmaster ( 1 7200 1800 ; serial
  86400 30 )
  NS ns
ns A 192.0.2.1
www 300 IN CNAME ns
_http._tcp SRV 1 2 80 ns
txt TXT "a b" "c\\;d" \\# 
mx MX 10 ns
svc HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
raw TYPE65280 \\# 4 01020304
$GENERATE 1-20/2 host-\${0,3,d} A 192.0.2.$
$INCLUDE other.zone sub
`,
]

t.test('any text is a zone file or says where it is wrong', async t => {
  let read = 0
  fc.assert(
    fc.property(hostileText(zones), text => {
      try {
        const source = { text, path: '/zones/db', origin: 'example.org.' }
        parseZoneFile(source, () => 'x A 192.0.2.9\n')
        read++
      } catch (error) {
        return error instanceof ZoneFileError && /^\/zones\/.*:\d+: /s.test(error.message)
      }
      return true
    }),
    fuzzOptions(1000),
  )
  t.ok(read > 20, `${read} were zone files`)
})

const corefiles = [
  `(common) {
  errors
  cache 30 {
    success 1024
  }
}
import custom/*.server
.:53 example.org dns://10.0.0.0/24 {
  import common
  forward . 192.0.2.53 {
    max_concurrent 1000
  }
  rewrite name "a b" {$HOME} # why
}
`,
]

t.test('any text is a Corefile or says where it is wrong', async t => {
  const system = { env: { HOME: 'value' }, read: () => 'errors\n', glob: () => [] }
  let read = 0
  fc.assert(
    fc.property(hostileText(corefiles), text => {
      try {
        parseCorefile(text, '/etc/Corefile', system)
        read++
      } catch (error) {
        return (
          error instanceof ConfigError && error.problems.every(({ line }) => line !== undefined)
        )
      }
      return true
    }),
    fuzzOptions(1000),
  )
  t.ok(read > 20, `${read} were Corefiles`)
})
