import t from 'tap'
import { REMOVED, redact } from '../../../src/agent/bundle/redact.ts'

const SECRET = 'hunter2hunter2'

const gone: readonly (readonly [title: string, text: string])[] = [
  ['YAML', `users:\n- name: a\n  user:\n    token: ${SECRET}\n`],
  ['YAML, quoted', `password: "${SECRET} and more"\n`],
  ['YAML, a value with blanks and commas', `password: my, ${SECRET}\n`],
  ['YAML, a quote that does not end', `password: "my ${SECRET}\n`],
  ['YAML, an item of a list', `- apiKey: a b ${SECRET}\n`],
  ['a flag with a comma', `--password=a,${SECRET}\n`],
  ['YAML, a block below its key', `client-key-data: |\n  ${SECRET}\n\n  ${SECRET}\nname: a\n`],
  ['YAML, folded', `  clientSecret: >-\n    ${SECRET}\n`],
  ['YAML, below its key', `token:\n  ${SECRET}\n`],
  ['YAML in one line', `user: { client-certificate-data: ${SECRET}, name: a }\n`],
  ['JSON', `{"type":"x","apiKey":"${SECRET}","b":1}`],
  ['JSON, escaped quotes', `{"password": "a\\"${SECRET}"}`],
  ['a key of a Secret', `data:\n  tls.key: ${SECRET}\n  ca.crt: ${SECRET}\n`],
  ['flags and environments', `--token=${SECRET} DB_PASSWORD=${SECRET}\n`],
  [
    'a Corefile',
    `.:53 {\n  tsig {\n    secret key.example. ${SECRET}\n  }\n  etcd {\n    credentials user ${SECRET}\n  }\n}\n`,
  ],
  ['a URL', `forward . https://user:${SECRET}@example.org/\n`],
  ['PEM', `x: |\n  -----BEGIN EC PRIVATE KEY-----\n  ${SECRET}\n  -----END EC PRIVATE KEY-----\n`],
  ['PEM that is cut off', `-----BEGIN PRIVATE KEY-----\n${SECRET}\n`],
  [
    'a JSON Web Token anywhere',
    'failed with eyJhbGciOiJSUzI1NiIs.eyJodW50ZXIyaHVudGVyMg.c2lnbmF0dXJl\n',
  ],
  ['an HTTP header', `Authorization: Bearer ${SECRET}\n`],
  ['a header in a log', `{"msg":"sent Bearer ${SECRET}"}\n`],
  ['a broken file', `{"password": "${SECRET}", [[[\n`],
]

for (const [title, text] of gone) {
  t.test(`removed: ${title}`, async t => {
    const clean = redact(text)
    t.notMatch(clean, /hunter2|eyJ/)
    t.match(clean, REMOVED)
  })
}

t.test('what is no secret stays as it is', async t => {
  const text = [
    'tokenFile: /var/run/secrets/token',
    'secretName: web',
    'tls /etc/cert.pem /etc/key.pem',
    'kubernetes cluster.local in-addr.arpa {',
    'udp dport 53 counter packets 7 bytes 9 accept',
    'nameserver 192.0.2.53',
    'name: keyboard',
    'clusterDNS: [10.96.0.10]',
    '-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https" -j KUBE-SVC-X',
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.7e9',
    '',
  ].join('\n')
  t.equal(redact(text), text)
  t.equal(redact('token: x\nname: a\n'), `token: ${REMOVED}\nname: a\n`)
})

t.test('hostile logs are read in linear time', async t => {
  const size = 1_000_000
  for (const part of [
    'y',
    '-',
    ' ',
    '\n',
    '"',
    'a.',
    '//a:',
    'eyJ',
    'token ',
    '-----BEGIN x-----',
    'a: ',
    "'a",
  ]) {
    t.ok(redact(part.repeat(size / part.length)).length <= 3 * size, JSON.stringify(part))
  }
})
