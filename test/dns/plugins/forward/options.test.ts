import t from 'tap'
import { parseForward } from '#dns/plugins/forward/options.ts'
import { parseResolvConf, parseTarget } from '#dns/plugins/forward/targets.ts'
import type { IpAddress } from '#net/ip.ts'
import { directive } from '../../../helper/dns.ts'

const folder = t.testdir({
  'resolv.conf':
    'search x\n# nameserver 192.0.2.9\n nameserver 192.0.2.1\nnameserver 2001:db8::1\n',
  empty: 'search x\n',
})
const parse = async (text: string) => (await parseForward([directive(text)], folder))[0]

t.test('servers are addresses, with or without port, and resolv.conf files', async t => {
  for (const [to, upstreams] of [
    ['192.0.2.1', ['192.0.2.1 53']],
    ['192.0.2.1:5353', ['192.0.2.1 5353']],
    ['dns://192.0.2.1:5353', ['192.0.2.1 5353']],
    ['2001:db8::1', ['2001:db8::1 53']],
    ['[2001:db8::1]:5353', ['2001:db8::1 5353']],
    ['dns://[2001:db8::1]', ['2001:db8::1 53']],
    ['./resolv.conf', ['192.0.2.1 53', '2001:db8::1 53']],
    [`${folder}/resolv.conf 192.0.2.5`, ['192.0.2.1 53', '2001:db8::1 53', '192.0.2.5 53']],
  ] as const) {
    const options = await parse(`forward . ${to}`)
    t.strictSame(
      options?.upstreams.map(({ address, port }) => `${address} ${port}`),
      upstreams,
      to,
    )
  }
})

t.test('servers behind TLS and HTTPS', async t => {
  for (const [to, want] of [
    ['tls://192.0.2.1', { protocol: 'tls', port: 853, serverName: undefined }],
    ['tls://192.0.2.1%dns.example', { port: 853, serverName: 'dns.example' }],
    ['tls://192.0.2.1%dns.example:8853', { port: 8853, serverName: 'dns.example' }],
    ['tls://[2001:db8::1]%dns.example:8853', { address: '2001:db8::1', port: 8853 }],
    ['https://192.0.2.1', { protocol: 'https', port: 443 }],
    ['https://[2001:db8::1]:8443', { address: '2001:db8::1', port: 8443 }],
  ] as const) {
    t.match((await parse(`forward . ${to}`))?.upstreams[0], want, to)
  }
})

t.test('a host name is looked up once; it names the certificate', async t => {
  const surroundings = {
    directory: folder,
    resolveHost: async (host: string) =>
      host === 'dns.example' ? (['192.0.2.7', '192.0.2.8'] as IpAddress[]) : [],
  }
  t.strictSame(await parseTarget('https://Dns.example', surroundings), [
    { protocol: 'https', port: 443, address: '192.0.2.7', serverName: 'dns.example' },
  ])
  t.match(await parseTarget('dns.example:5353', surroundings), [
    { protocol: 'dns', port: 5353, address: '192.0.2.7', serverName: undefined },
  ])
  t.match(await parseTarget('tls://none.example', surroundings), /none\.example has no address/)
})

t.test('every option is read', async t => {
  for (const [text, want] of [
    [
      '',
      {
        from: '.',
        except: [],
        policy: 'random',
        transport: 'client',
        maxConcurrent: 4096,
        maxFails: 2,
        failfast: false,
        health: { intervalMs: 500, name: '.', recursionDesired: true },
        expireMs: 10_000,
        readTimeoutMs: 2000,
        maxAttempts: 2,
        nextOnNoData: false,
      },
    ],
    ['\nexcept a.example B.Example', { except: ['a.example.', 'b.example.'] }],
    ['\npolicy round_robin', { policy: 'round_robin' }],
    ['\nforce_tcp', { transport: 'tcp' }],
    ['\nprefer_udp', { transport: 'udp-first' }],
    ['\nforce_tcp\nprefer_udp', { transport: 'tcp' }],
    ['\nmax_concurrent 1000', { maxConcurrent: 1000 }],
    ['\nmax_fails 0', { maxFails: 0 }],
    [
      '\nhealth_check 1s no_rec domain a.example',
      { health: { intervalMs: 1000, name: 'a.example.', recursionDesired: false } },
    ],
    ['\nexpire 20s', { expireMs: 20_000 }],
    ['\nmax_age 1m', { maxAgeMs: 60_000 }],
    ['\ntls_servername dns.example', { tlsServerName: 'dns.example' }],
    ['\ndoh_method get', { dohMethod: 'GET' }],
    ['\nsource_address 192.0.2.9', { sourceAddress: '192.0.2.9' }],
    ['\nmax_connect_attempts 7', { maxAttempts: 7 }],
    ['\nfailover servfail REFUSED', { failover: new Set(['SERVFAIL', 'REFUSED']) }],
    ['\nnext NXDOMAIN', { next: new Set(['NXDOMAIN']) }],
    ['\nnext_on_nodata', { nextOnNoData: true }],
  ] as const) {
    t.match(await parse(`forward . 192.0.2.1${text}`), want, text)
  }
  t.equal((await parse('forward 10.0.0.0/8 192.0.2.1'))?.from, '10.in-addr.arpa.')
})

t.test('what is wrong is said with file, line and option', async t => {
  for (const [text, message] of [
    ['forward', 'Corefile:2: forward: needs a zone and at least one server'],
    ['forward .', 'Corefile:2: forward: needs a zone and at least one server'],
    [
      'forward . https://192.0.2.1/resolve',
      'Corefile:2: forward: https://192.0.2.1/resolve: a path is not allowed',
    ],
    [
      'forward . https://192.0.2.1%dns.example',
      'Corefile:2: forward: https://192.0.2.1%dns.example: %dns.example is for tls:// only',
    ],
    [
      'forward . tls://192.0.2.1%a.example\ntls_servername b.example',
      'Corefile:3: forward tls_servername: a server has a name of its own, a.example',
    ],
    [
      'forward . tls://192.0.2.1\ndoh_method PUT',
      'Corefile:3: forward doh_method: needs GET or POST',
    ],
    [
      'forward . 192.0.2.1\nsource_address x',
      'Corefile:3: forward source_address: needs one address',
    ],
    ['forward . 192.0.2.1\nresolver x', 'Corefile:3: forward resolver: needs addresses'],
    ['forward . 192.0.2.1\ntls ./empty', 'Corefile:3: forward tls: cannot be used: '],
    ['forward . 192.0.2.1\ntls a b c d', 'Corefile:3: forward tls: needs no more than CERT KEY CA'],
    ['forward . ftp://192.0.2.1', 'Corefile:2: forward: ftp://192.0.2.1: unknown scheme ftp://'],
    ['forward . dns.invalid', 'Corefile:2: forward: dns.invalid: looking up dns.invalid failed: '],
    ['forward . dns', 'Corefile:2: forward: dns is neither an address, a host name nor a file'],
    ['forward . 192.0.2.1:0', 'Corefile:2: forward: 192.0.2.1:0 is neither an address'],
    ['forward . ./missing', `Corefile:2: forward: ${folder}/missing cannot be read: ENOENT`],
    ['forward . ./empty', `Corefile:2: forward: ${folder}/empty names no nameserver`],
    [
      `forward . ${'192.0.2.1 '.repeat(16).trim()}`,
      'Corefile:2: forward: has 16 servers: at most 15',
    ],
    ['forward a..b 192.0.2.1', 'Corefile:2: forward: "a..b" is no zone'],
    [
      'forward . 192.0.2.1\npolicy best',
      'Corefile:3: forward policy: needs one of random, round_robin',
    ],
    [
      'forward . 192.0.2.1\nmax_concurrent many',
      'Corefile:3: forward max_concurrent: needs one number',
    ],
    [
      'forward . 192.0.2.1\nhealth_check 1s often',
      'Corefile:3: forward health_check: needs a duration',
    ],
    ['forward . 192.0.2.1\nexpire 0', 'Corefile:3: forward expire: needs one duration above 0'],
    ['forward . 192.0.2.1\nfailover NOERROR', 'Corefile:3: forward failover: cannot be NOERROR'],
    [
      'forward . 192.0.2.1\nnext SOON',
      'Corefile:3: forward next: needs rcodes, e.g. SERVFAIL REFUSED, not SOON',
    ],
    ['forward . 192.0.2.1\ntls a b c', 'Corefile:3: forward tls: cannot be used: ENOENT'],
    ['forward . 192.0.2.1\nforce_udp', 'Corefile:3: forward force_udp: unknown option'],
  ] as const) {
    await t.rejects(parse(text), { message: new RegExp(`^${RegExp.escape(message)}`) }, text)
  }
})

t.test('nameservers of a resolv.conf', async t => {
  t.strictSame(
    parseResolvConf(
      'nameserver 192.0.2.1 # x\n;nameserver 192.0.2.2\nnameserver\nnameserver x\n\tnameserver\t::1',
    ),
    ['192.0.2.1', '::1'],
  )
})
