import t from 'tap'
import { parseKubeDns } from '../../../src/dns/convert/kube-dns.ts'
import { renderCorefile } from '../../../src/dns/convert/render.ts'
import { parseCorefile } from '../../../src/dns/corefile/parser.ts'

const configMap = (data: Readonly<Record<string, string>>) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kube-dns' }, data })

/** Zone → targets of forward. */
function forwards(text: string): Readonly<Record<string, readonly string[]>> {
  const config = parseKubeDns(text, 'cm')
  const corefile = renderCorefile({ ...config, clusterDomain: 'cluster.local' })
  const { blocks } = parseCorefile(corefile, 'Corefile', {} as never)
  return Object.fromEntries(
    blocks.map(({ keys, directives }) => [
      keys.join(' '),
      directives.find(({ name }) => name === 'forward')?.args.slice(1) ?? [],
    ]),
  )
}

t.test('stub domains become blocks, upstream name servers the targets of the rest', async t => {
  const text = configMap({
    stubDomains: '{"Acme.local": ["1.2.3.4"], "corp.example.": ["10.0.0.1:5353", "[fd00::1]:53"]}',
    upstreamNameservers: '["8.8.8.8", "2001:db8::8"]',
  })
  t.strictSame(forwards(text), {
    '.:53': ['8.8.8.8', '2001:db8::8'],
    'acme.local:53': ['1.2.3.4'],
    'corp.example:53': ['10.0.0.1:5353', '[fd00::1]:53'],
  })
})

t.test('without upstream name servers the node’s are asked', async t => {
  t.strictSame(forwards(configMap({})), { '.:53': ['/etc/resolv.conf'] })
  t.strictSame(forwards('kind: ConfigMap\n'), { '.:53': ['/etc/resolv.conf'] })
})

t.test('the obsolete and the unknown are left out with a warning', async t => {
  const { warnings } = parseKubeDns('kind: ConfigMap\ndata:\n  federations: x\n  stub: y\n', 'cm')
  t.match(warnings, [
    { line: 3, field: 'data.federations', message: /removed from Kubernetes/ },
    { line: 4, field: 'data.stub', message: /no such key/ },
  ])
})

const wrong: readonly { title: string; data: Readonly<Record<string, string>>; want: RegExp }[] = [
  { title: 'text', data: { stubDomains: 'acme' }, want: /stubDomains: is not JSON/ },
  { title: 'a list', data: { stubDomains: '[]' }, want: /must be a JSON object/ },
  {
    title: 'a name',
    data: { upstreamNameservers: '["dns.example"]' },
    want: /"dns.example" is not/,
  },
  { title: 'port 0', data: { upstreamNameservers: '["1.2.3.4:0"]' }, want: /"1.2.3.4:0" is not/ },
  { title: 'no servers', data: { stubDomains: '{"a.b": []}' }, want: /servers of 'a.b' must be/ },
  { title: 'the root', data: { stubDomains: '{".": ["1.2.3.4"]}' }, want: /"\." is not a domain/ },
  {
    title: 'a line break in a domain, which would write into the Corefile',
    data: { stubDomains: JSON.stringify({ 'a\n}\nb': ['1.2.3.4'] }) },
    want: /is not a domain/,
  },
  {
    title: 'four upstreams',
    data: { upstreamNameservers: '["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]' },
    want: /names 4 servers; kube-dns takes 3/,
  },
]
for (const { title, data, want } of wrong) {
  t.test(`refused: ${title}`, async t => {
    t.throws(() => parseKubeDns(configMap(data), 'cm'), { code: 'ERR_CONFIG', message: want })
  })
}

t.test('something else than a ConfigMap is refused', async t => {
  t.throws(() => parseKubeDns('kind: Secret\n', 'cm'), { message: /cm:1:\d+: kind/ })
})
