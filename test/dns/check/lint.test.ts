import t from 'tap'
import { lintCorefile } from '../../../src/dns/check/lint.ts'
import { parseCorefile } from '../../../src/dns/corefile/parser.ts'

const noFiles = { env: {}, read: () => '', glob: () => [] } as never

const warnings = (text: string) =>
  lintCorefile(parseCorefile(text, 'Corefile', noFiles)).map(
    ({ line, field, message }) => `${line} ${field}: ${message}`,
  )

const KUBEADM = `.:53 {
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    fallthrough in-addr.arpa ip6.arpa
  }
  forward . /etc/resolv.conf
  cache 30 {
    disable success cluster.local
    disable denial cluster.local
  }
  loop
}`

t.test("kubeadm's Corefile has nothing to warn about", async t => {
  t.strictSame(warnings(KUBEADM), [])
})

const odd: readonly { title: string; text: string; want: RegExp }[] = [
  {
    title: 'no errors plugin',
    text: KUBEADM.replace('  errors\n', ''),
    want: /^5 forward: failed queries are not logged; add `errors`/,
  },
  {
    title: 'a whole reverse zone that does not fall through',
    text: KUBEADM.replace('fallthrough in-addr.arpa ip6.arpa', 'ttl 30'),
    want: /^3 kubernetes: .* add `fallthrough in-addr\.arpa ip6\.arpa`$/,
  },
  {
    title: 'a plugin whose zone no query of the block can have',
    text: KUBEADM.replace('.:53', 'corp.example:53 arpa:53'),
    want: /^3 kubernetes: cluster\.local\. is not in a zone of this block.*corp\.example:53 arpa:53$/,
  },
  {
    title: 'a forward to this machine without loop',
    text: KUBEADM.replace('/etc/resolv.conf', '127.0.0.53').replace('  loop\n', ''),
    want: /^6 forward: 127\.0\.0\.53 may be this server itself; add `loop`/,
  },
  {
    title: 'cached names of the cluster',
    text: KUBEADM.replace(/cache 30 \{[^}]*\}/, 'cache 30'),
    want: /^7 cache: .* add `disable success cluster\.local`/,
  },
]
for (const { title, text, want } of odd) {
  t.test(`warned about: ${title}`, async t => {
    const found = warnings(text)
    t.equal(found.length, 1, found.join('\n'))
    t.match(found[0], want)
  })
}
