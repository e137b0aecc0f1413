import t from 'tap'
import { loadTls, tls } from '../../../src/dns/plugins/tls/plugin.ts'
import { TestAuthority } from '../../helper/certificates.ts'
import { directive } from '../../helper/dns.ts'
import { testedPlugin } from '../../helper/plugin.ts'

await using authority = await TestAuthority.create()
const pair = await authority.issue('dns.example.org', 'DNS:dns.example.org')
const other = await authority.issue('other.example.org')
const files = `${pair.certPath} ${pair.keyPath}`

t.test('what a TLS server is started with', async t => {
  const settings = await loadTls(
    directive(`tls ${files} ${authority.ca.certPath}\nclient_auth require_and_verify`),
    '/',
  )
  t.match(settings, {
    requestCert: true,
    rejectUnauthorized: true,
    context: { minVersion: 'TLSv1.2', cert: Buffer.from(pair.cert) },
  })
  t.match(await loadTls(directive(`tls ${files}`), '/'), { requestCert: false })
})

const refused: readonly [string, RegExp][] = [
  ['tls cert.pem', /needs CERT KEY and may have CA/],
  ['tls missing.pem missing.key', /Corefile:2: tls: ENOENT/],
  [`tls ${pair.certPath} ${other.keyPath}`, /the certificate cannot be used/],
  [
    `tls ${files} {\nclient_auth maybe\n}`,
    /Corefile:3: tls client_auth: needs one of nocert, request/,
  ],
  [`tls ${files} {\nacme\n}`, /unknown option, there are: client_auth MODE, keylog FILE/],
]
for (const [text, message] of refused) {
  t.test(`refuses ${text.replaceAll('\n', ' ').slice(0, 30)}`, t =>
    t.rejects(testedPlugin(tls, text), { message }),
  )
}
