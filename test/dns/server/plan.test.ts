import t from 'tap'
import type { ServerBlock } from '../../../src/dns/corefile/directive.ts'
import { planServers } from '../../../src/dns/server/plan.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { directives } from '../../helper/dns.ts'

const CERTIFICATE = {
  context: {},
  requestCert: false,
  rejectUnauthorized: false,
  rejectBad: false,
  keylog: undefined,
}

/** A block in line `line` for each text: `keys`, then perhaps `@address`, then perhaps directives behind `|`. */
function plan(...texts: readonly string[]) {
  const binds = new Map<ServerBlock, readonly IpAddress[]>()
  const blocks = texts.map((text, index) => {
    const [head = '', body = ''] = text.split('|')
    const [keys = '', address] = head.trim().split('@')
    const block = {
      keys: keys.trim().split(' '),
      directives: directives(body),
      position: { file: 'Corefile', line: index + 1 },
    }
    binds.set(block, address === undefined ? [] : [address as IpAddress])
    return block
  })
  return planServers(blocks, {
    defaultPort: 53,
    bindOf: block => binds.get(block) ?? [],
    tlsOf: ({ directives }) =>
      directives.some(({ name }) => name === 'tls') ? CERTIFICATE : undefined,
  })
}

const listeners = (...texts: readonly string[]) =>
  Object.fromEntries(
    [...plan(...texts).listeners].map(([key, { zones }]) => [
      key,
      Object.fromEntries([...zones].map(([zone, [block]]) => [zone, block])),
    ]),
  )

t.test('blocks on one port share a listener', async t => {
  t.strictSame(listeners('.', 'example.org', 'a.org:1053'), {
    'dns://:53': { '.': 0, 'example.org.': 1 },
    'dns://:1053': { 'a.org.': 2 },
  })
})

t.test('a block may listen on several ports', async t => {
  t.strictSame(listeners('a.org:53 b.org:1053'), {
    'dns://:53': { 'a.org.': 0 },
    'dns://:1053': { 'b.org.': 0 },
  })
})

t.test('bound blocks have listeners of their own', async t => {
  t.strictSame(listeners('. @127.0.0.1', '. @::1'), {
    'dns://127.0.0.1:53': { '.': 0 },
    'dns://[::1]:53': { '.': 1 },
  })
})

t.test('schemes have listeners and ports of their own', async t => {
  const certificate = '|tls cert.pem key.pem'
  t.strictSame(
    listeners(
      '.',
      `tls://a.org https://a.org${certificate}`,
      `grpc://b.org tls://b.org${certificate}`,
    ),
    {
      'dns://:53': { '.': 0 },
      'tls://:853': { 'a.org.': 1, 'b.org.': 2 },
      'https://:443': { 'a.org.': 1 },
      // 443 cannot be both.
      'grpc://:443': { 'b.org.': 2 },
    },
  )
  t.strictSame(listeners('.:5353', 'tls://.:5354 @::1|tls cert.pem key.pem'), {
    'dns://:5353': { '.': 0 },
    'tls://[::1]:5354': { '.': 1 },
  })
})

t.test('a listener has the sockets, limits and certificate of its blocks', async t => {
  const { listeners: planned, problems } = plan(
    'tls://a.org .|tls cert.pem key.pem\ntimeouts {\nidle 2s\n}',
    'tls://b.org|timeouts {\nread 4s\n}',
    'b.org|multisocket 3',
    'c.org|multisocket 2',
  )
  t.strictSame(problems, [])
  t.match(planned.get('tls://:853'), { limits: { idleMs: 2000, readMs: 4000 }, tls: CERTIFICATE })
  t.match(planned.get('dns://:53'), { sockets: 3, tls: undefined })
})

const wrong: readonly { title: string; blocks: readonly string[]; problems: readonly RegExp[] }[] =
  [
    {
      title: 'a zone twice',
      blocks: ['a.org', 'b.org a.org'],
      problems: [/a\.org\.:53 is already defined in Corefile:1/],
    },
    {
      title: 'a zone twice in one block',
      blocks: ['a.org a.org.'],
      problems: [/a\.org\.:53 is already defined/],
    },
    {
      title: 'a zone twice on one address',
      blocks: ['. @127.0.0.1', '. @127.0.0.1'],
      problems: [/\.:53 is already defined/],
    },
    {
      title: 'a bound and an unbound block on a port',
      blocks: ['a.org', 'b.org @127.0.0.1'],
      problems: [/the block in Corefile:1 listens on every address of port 53/],
    },
    {
      title: 'two schemes on a port',
      blocks: ['https://a.org|tls cert.pem key.pem', 'grpc://b.org'],
      problems: [/grpc:\/\/ and https:\/\/ \(Corefile:1\) cannot share port 443/],
    },
    {
      title: 'TLS and HTTPS without a certificate',
      blocks: ['tls://. https://.'],
      problems: [
        /tls:\/\/:853 needs a certificate; add `tls CERT KEY`/,
        /https:\/\/:443 needs a certificate/,
      ],
    },
    {
      title: 'two certificates on a port',
      blocks: ['tls://a.org|tls a.pem a.key', 'tls://b.org|tls b.pem b.key'],
      problems: [/tls:\/\/:853 has another certificate in Corefile:2/],
    },
    {
      title: 'several bad keys',
      blocks: ['quic://.', 'a..b'],
      problems: [/quic:\/\/ is known/, /not a domain name/],
    },
  ]
for (const { title, blocks, problems } of wrong) {
  t.test(`a problem: ${title}`, async t => {
    const found = plan(...blocks).problems.map(({ message }) => message)
    t.equal(found.length, problems.length)
    t.match(found, problems)
  })
}

t.test('a zone may stand twice on different ports and addresses', async t => {
  t.strictSame(plan('.', '.:1053').problems, [])
  t.strictSame(plan('. @127.0.0.1', '. @127.0.0.2').problems, [])
})
