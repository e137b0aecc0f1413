import { basename } from 'node:path'
import t from 'tap'
import { loadBlockTls, loadTls } from '../../../src/dns/plugins/tls/plugin.ts'
import { TestAuthority } from '../../helper/certificates.ts'
import { directive, directives } from '../../helper/dns.ts'

const authority = await TestAuthority.create()
t.teardown(() => authority[Symbol.asyncDispose]())
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
  t.match(await loadTls(directive(`tls ${files}\nclient_auth verify_if_given`), '/'), {
    requestCert: true,
    rejectUnauthorized: false,
    rejectBad: true,
  })
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
    t.rejects(loadBlockTls(directives(text), '/'), { message }),
  )
}

t.test('relative paths start at the root of the block', async t => {
  const block = directives(
    `root ${authority.folder}\ntls ${basename(pair.certPath)} ${basename(pair.keyPath)}`,
  )
  t.match(await loadBlockTls(block, '/nowhere'), { context: { cert: Buffer.from(pair.cert) } })
  t.equal(await loadBlockTls(directives('whoami'), '/'), undefined)
})
