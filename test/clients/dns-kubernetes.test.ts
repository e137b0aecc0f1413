import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import type { ResourceRecord } from '#dns/message.ts'
import { soaRecord } from '#dns/zone/records.ts'
import type { IpAddress } from '#net/ip.ts'
import { MAIN } from '../helper/build.ts'
import { type Dug, dig } from '../helper/dig.ts'
import { eventually } from '../helper/eventually.ts'
import { FakeUpstream } from '../helper/fake-upstream.ts'

// `nodeplane dns` with kubeadm's Corefile over a directory of manifests, asked by dig.

/** On a machine that is busy with other tests Node alone takes seconds to start. */
const START_MS = 60_000

/** kubeadm 1.36's, with two lines changed: where objects come from, and the resolver. */
const corefile = (folder: string, upstream: string): string => `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       manifests ${folder}/manifests
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . ${upstream} {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`

const service = (name: string, spec: string): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`
const slice = (name: string, endpoints: readonly string[]): string => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: shop, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: http, protocol: TCP, port: 8080 }]
endpoints: [${endpoints.join(', ')}]
`
const HTTP = 'ports: [{ name: http, port: 80, targetPort: 8080 }]'
const endpoint = (address: string, more = ''): string => `{ addresses: [${address}]${more} }`
const webAt = (address: string): string =>
  service('web', `{ clusterIP: ${address}, clusterIPs: [${address}], ${HTTP} }`)

const manifests = [
  service('cart', `{ clusterIP: None, clusterIPs: [None], ${HTTP} }`),
  slice('cart', [
    endpoint('10.244.0.5'),
    endpoint('10.244.0.6'),
    endpoint('10.244.0.7', ', conditions: { ready: false }'),
  ]),
  service('db', `{ clusterIP: None, clusterIPs: [None], ${HTTP} }`),
  slice('db', [
    endpoint('10.244.1.1', ', hostname: db-0'),
    endpoint('10.244.1.2', ', hostname: db-1'),
  ]),
  service('many', `{ clusterIP: None, clusterIPs: [None], ${HTTP} }`),
  slice(
    'many',
    Array.from({ length: 100 }, (_, host) => endpoint(`10.244.2.${host}`)),
  ),
  service('outside', '{ type: ExternalName, externalName: www.example.org }'),
  service('inside', '{ type: ExternalName, externalName: web.shop.svc.cluster.local }'),
].join('')

const record = (name: string, data: string, type = 'A'): ResourceRecord =>
  ({ name, type, class: 'IN', ttl: 600, data: data as IpAddress }) as ResourceRecord

const known: readonly ResourceRecord[] = [
  record('www.example.org.', '192.0.2.80'),
  record('9.9.9.9.in-addr.arpa.', 'nine.example.org.', 'PTR'),
]

/** A resolver that knows two names. */
const startUpstream = () =>
  FakeUpstream.start(({ message, answer }) => {
    const name = message.question?.name ?? ''
    const answers = known.filter(
      found => found.name === name && found.type === message.question?.type,
    )
    const isKnown = known.some(found => found.name === name)
    const authorities = answers.length === 0 ? [soaRecord('example.org.', 60, 1)] : []
    const rcode = isKnown ? 'NOERROR' : 'NXDOMAIN'
    answer({ rcode, answers, authorities, recursionAvailable: true })
  })

/** Starts `nodeplane dns`; its output is shown when a test fails. */
async function startServer(
  folder: string,
  corefileText: string,
): Promise<AsyncDisposable & { readonly output: () => string }> {
  await writeFile(`${folder}/Corefile`, corefileText)
  const child = spawn(process.execPath, [MAIN, 'dns', '--conf', 'Corefile'], { cwd: folder })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  const exit = once(child, 'exit')
  return {
    output: () => output,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

const statusOf = async (url: string): Promise<string> => {
  const response = await fetch(url)
  return `${response.status} ${(await response.text()).trim()}`
}
const isReady = async () => (await statusOf('http://127.0.0.1:8181/ready')) === '200 OK'

/** Answers without TTLs, which count down in caches. */
const dataOf = ({ answers }: Dug): readonly string[] =>
  answers.map(line => line.replace(/^\S+ \d+ /, '')).toSorted()

t.test('kubeadm’s Corefile over a directory of manifests', async t => {
  const folder = t.testdir({
    manifests: { 'shop.yaml': manifests, 'web.yaml': webAt('10.96.0.10') },
  })
  await using upstream = await startUpstream()
  await using server = await startServer(folder, corefile(folder, upstream.address))
  t.teardown(() => t.passing() || t.comment(server.output()))
  await eventually('readiness', isReady, START_MS)
  const ask = (words: string) => dig(`@127.0.0.1 ${words}`)

  await t.test('names of Services and endpoints', async t => {
    for (const [fact, words, data] of [
      ['a cluster IP', 'web.shop.svc.cluster.local A', ['A 10.96.0.10']],
      [
        'its port',
        '_http._tcp.web.shop.svc.cluster.local SRV',
        ['SRV 0 100 80 web.shop.svc.cluster.local.'],
      ],
      ['its PTR', '-x 10.96.0.10', ['PTR web.shop.svc.cluster.local.']],
      ['a headless Service', 'cart.shop.svc.cluster.local A', ['A 10.244.0.5', 'A 10.244.0.6']],
      [
        'its endpoints',
        'cart.shop.svc.cluster.local SRV',
        [
          'SRV 0 50 8080 10-244-0-5.cart.shop.svc.cluster.local.',
          'SRV 0 50 8080 10-244-0-6.cart.shop.svc.cluster.local.',
        ],
      ],
      ['an endpoint', '10-244-0-6.cart.shop.svc.cluster.local A', ['A 10.244.0.6']],
      ['its PTR', '-x 10.244.0.6', ['PTR 10-244-0-6.cart.shop.svc.cluster.local.']],
      ['a pod of a StatefulSet', 'db-1.db.shop.svc.cluster.local A', ['A 10.244.1.2']],
      ['its PTR', '-x 10.244.1.2', ['PTR db-1.db.shop.svc.cluster.local.']],
      ['a pod', '10-1-2-3.shop.pod.cluster.local A', ['A 10.1.2.3']],
      [
        'an alias inside',
        'inside.shop.svc.cluster.local A',
        ['A 10.96.0.10', 'CNAME web.shop.svc.cluster.local.'],
      ],
      [
        'an alias outside',
        'outside.shop.svc.cluster.local A',
        ['A 192.0.2.80', 'CNAME www.example.org.'],
      ],
      ['an alias itself', 'outside.shop.svc.cluster.local CNAME', ['CNAME www.example.org.']],
      ['the version', 'dns-version.cluster.local TXT', ['TXT "1.1.0"']],
    ] as const) {
      const got = await ask(words)
      t.equal(got.status, 'NOERROR', words)
      t.strictSame(dataOf(got), data, `${fact}: ${words}`)
      t.ok(got.flags.includes('aa'), 'authoritative')
    }
    const { additionals } = await ask('_http._tcp.web.shop.svc.cluster.local SRV')
    t.strictSame(
      additionals.filter(line => !line.includes('EDNS')),
      ['web.shop.svc.cluster.local. 30 A 10.96.0.10'],
    )
  })

  await t.test('names and types that are not there', async t => {
    for (const [words, status] of [
      ['web.shop.svc.cluster.local AAAA', 'NOERROR'],
      ['shop.svc.cluster.local A', 'NOERROR'],
      ['nope.shop.svc.cluster.local A', 'NXDOMAIN'],
      ['web.nope.svc.cluster.local A', 'NXDOMAIN'],
      ['10-244-0-7.cart.shop.svc.cluster.local A', 'NXDOMAIN'],
      ['_https._tcp.web.shop.svc.cluster.local SRV', 'NXDOMAIN'],
      ['shop.svc.cluster.local TXT', 'NXDOMAIN'],
    ] as const) {
      const got = await ask(words)
      t.equal(got.status, status, words)
      t.equal(got.answers.length, 0)
      t.match(
        got.authorities,
        [
          /^cluster\.local\. 30 SOA ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 30$/,
        ],
        words,
      )
      t.equal(got.authorities.length, 1)
    }
  })

  await t.test('the letter case of the question comes back', async t => {
    const { answers } = await ask('wEb.ShOp.SvC.cLuStEr.LoCaL SRV')
    t.strictSame(answers, [
      'wEb.ShOp.SvC.cLuStEr.LoCaL. 30 SRV 0 100 80 web.shop.svc.cLuStEr.LoCaL.',
    ])
  })

  await t.test('what does not fit a datagram is truncated, and whole over TCP', async t => {
    const cut = await ask('+ignore +noedns many.shop.svc.cluster.local A')
    t.ok(cut.flags.includes('tc'))
    t.ok(cut.answers.length < 100)
    const whole = await ask('+tcp many.shop.svc.cluster.local A')
    t.notOk(whole.flags.includes('tc'))
    t.equal(new Set(dataOf(whole)).size, 100)
    t.equal(
      (await ask('many.shop.svc.cluster.local A')).answers.length,
      100,
      'dig comes back by TCP',
    )
  })

  await t.test('other names are forwarded and kept, their TTL counts down', async t => {
    const first = await ask('www.example.org A')
    t.strictSame(dataOf(first), ['A 192.0.2.80'])
    const ttlOf = ({ answers }: Dug) => Number(answers[0]?.split(' ')[1])
    t.ok(ttlOf(first) <= 30, 'the cap')
    const asked = upstream.asked.length
    const later = await eventually('the TTL to count down', async () => {
      const got = await ask('www.example.org A')
      return ttlOf(got) < ttlOf(first) && got
    })
    t.ok(later.flags.includes('aa'), 'AA from the cache')
    t.equal(upstream.asked.length, asked, 'nobody was asked again')
    t.equal((await ask('nope.example.org A')).status, 'NXDOMAIN')
    t.strictSame(
      dataOf(await ask('-x 9.9.9.9')),
      ['PTR nine.example.org.'],
      'unknown reverse names too',
    )
  })

  await t.test('a changed manifest changes the answer at once, cache or not', async t => {
    t.strictSame(dataOf(await ask('web.shop.svc.cluster.local A')), ['A 10.96.0.10'])
    t.equal((await ask('new.shop.svc.cluster.local A')).status, 'NXDOMAIN')
    const added = service('new', `{ clusterIP: 10.96.0.12, clusterIPs: [10.96.0.12], ${HTTP} }`)
    await writeFile(`${folder}/manifests/web.yaml`, webAt('10.96.0.11') + added)
    await eventually('the new address', async () => {
      return dataOf(await ask('web.shop.svc.cluster.local A')).join() === 'A 10.96.0.11'
    })
    t.strictSame(dataOf(await ask('new.shop.svc.cluster.local A')), ['A 10.96.0.12'])
  })

  await t.test('metrics of the plugins', async t => {
    const metrics = await statusOf('http://127.0.0.1:9153/metrics')
    t.match(metrics, /^coredns_cache_hits_total\{.*type="success".*\} [1-9]/m)
    t.match(
      metrics,
      /^coredns_proxy_request_duration_seconds_count\{.*to="127\.0\.0\.1:\d+".*\} [1-9]/m,
    )
  })
})

t.test('while the API server does not answer nothing is denied', async t => {
  await using server = await startServer(
    t.testdir({}),
    `.:53 {
      ready
      kubernetes cluster.local {
        endpoint http://127.0.0.1:1
        startup_timeout 0s
      }
    }`,
  )
  t.teardown(() => t.passing() || t.comment(server.output()))
  const isAnswered = () => dig('@127.0.0.1 web.shop.svc.cluster.local A')
  const got = await eventually('an answer', isAnswered, START_MS)
  t.equal(got.status, 'SERVFAIL')
  t.equal(got.authorities.length, 1, 'with SOA')
  t.equal((await dig('@127.0.0.1 cluster.local A')).status, 'NOERROR')
  t.equal(await statusOf('http://127.0.0.1:8181/ready'), '503 kubernetes')
})
