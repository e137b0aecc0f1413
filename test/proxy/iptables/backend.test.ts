import t, { type Test } from 'tap'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { keyOf, SERVICE_NAME_LABEL } from '#cluster/objects.ts'
import type { IpAddress } from '#net/ip.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import type { IptablesOptions } from '../../../src/proxy/iptables/backend.ts'
import { CANARY } from '../../../src/proxy/iptables/fixed.ts'
import type { IptablesMetrics } from '../../../src/proxy/iptables/metrics.ts'
import { endpoint, service, servicePort, slice } from '../../helper/cluster.ts'
import { eventually } from '../../helper/eventually.ts'
import { HeldClock } from '../../helper/held-clock.ts'
import { FakeIptables } from './fake-iptables.ts'
import { backendOn, noSignal } from './machine.ts'

/** A Service and the endpoints it has, `10.0.0.1` … */
const web = (name: string, ip: number, endpoints: number): readonly [Service, EndpointSlice] => [
  service({ name, clusterIP: `10.96.0.${ip}`, ports: [servicePort({ nodePort: 30000 + ip })] }),
  slice({
    name: `${name}-1`,
    labels: { [SERVICE_NAME_LABEL]: name },
    endpoints: Array.from({ length: endpoints }, (_, index) =>
      endpoint(`10.${ip}.${index >> 8}.${index & 255}`),
    ),
  }),
]

function statesOf(...objects: readonly (Service | EndpointSlice)[]) {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  for (const object of objects) {
    const change = { key: keyOf(object), before: undefined, after: object }
    tracker.apply({ kind: object.kind, ...change } as never)
  }
  return Array.from(tracker.services(), key => [key, tracker.stateOf(key)] as const)
}

const declared = (text = '') =>
  [...text.matchAll(/^:(\S+)/gm)].map(match => (match[1] as string).replace(/-[A-Z0-9]{16}$/, ''))

t.test('what is right is not written', async t => {
  const iptables = new FakeIptables()
  const states = statesOf(...web('a', 1, 2), ...web('b', 2, 0))
  await backendOn(iptables).replace(states, noSignal)
  const restarted = backendOn(iptables)
  await restarted.replace(states, noSignal)
  await restarted.update(states, noSignal)
  t.equal(iptables.texts.length, 1)
})

t.test('a change writes the chains that differ', async t => {
  const iptables = new FakeIptables()
  const backend = backendOn(iptables)
  await backend.replace(statesOf(...web('a', 1, 2), ...web('b', 2, 2)), noSignal)
  const change = async (endpoints: number) => {
    await backend.update(statesOf(...web('a', 1, endpoints)), noSignal)
    return declared(iptables.texts.at(-1)).sort()
  }
  t.strictSame(await change(3), ['KUBE-SEP', 'KUBE-SVC'], 'one endpoint more')
  t.strictSame(await change(2), ['KUBE-SEP', 'KUBE-SVC'], 'one less')
  t.match(iptables.texts.at(-1), /^-X KUBE-SEP-/m)
  t.strictSame(
    await change(0),
    [
      'KUBE-EXT',
      'KUBE-EXTERNAL-SERVICES',
      'KUBE-NODEPORTS',
      'KUBE-SEP',
      'KUBE-SEP',
      'KUBE-SERVICES',
      'KUBE-SERVICES',
      'KUBE-SVC',
    ],
    'the last ones gone: it is refused now',
  )
})

t.test('beside 5,000 ports and 5,000 endpoints a small change writes little', async t => {
  const iptables = new FakeIptables()
  const backend = backendOn(iptables)
  const many = Array.from({ length: 5000 }, (_, index) =>
    servicePort({ name: `p${index}`, port: 1000 + index }),
  )
  const ports = [
    service({ name: 'ports', clusterIP: '10.96.2.1', ports: many }),
    slice({
      name: 'ports-1',
      labels: { [SERVICE_NAME_LABEL]: 'ports' },
      ports: many.map(({ name, protocol }) => ({ name, protocol, port: 8080 })),
      endpoints: [endpoint('10.0.0.1')],
    }),
  ]
  await backend.replace(statesOf(...web('a', 1, 2), ...web('b', 2, 5000), ...ports), noSignal)
  await backend.update(statesOf(...web('a', 1, 3)), noSignal)
  const lines = iptables.texts.at(-1)?.split('\n').length ?? 0
  t.ok(lines < 20, `${lines} lines for one more endpoint of another Service`)
  await backend.update(statesOf(...web('b', 2, 4999)), noSignal)
  t.strictSame(
    declared(iptables.texts.at(-1)).sort(),
    ['KUBE-SEP', 'KUBE-SVC'],
    'one less of 5,000',
  )
  await backend.update([['default/ports', []]], noSignal)
  const left = [...(iptables.tables.get('nat')?.keys() ?? [])].length
  t.ok(left < 5200, `${left} chains are left of 15,000`)
})

t.test('a Service that is gone leaves nothing', async t => {
  const iptables = new FakeIptables()
  const backend = backendOn(iptables)
  await backend.replace(statesOf(...web('a', 1, 2)), noSignal)
  await backend.update([['default/a', []]], noSignal)
  const empty = new FakeIptables()
  await backendOn(empty).replace([], noSignal)
  t.strictSame(iptables.tables, empty.tables)
})

const NEW = '-m conntrack --ctstate NEW '
/** As kube-proxy has them after a start on tables without rules of it: it puts each at the head. */
const jumps: Readonly<Record<string, readonly string[]>> = {
  'filter INPUT': [
    `${NEW}-m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
    '-m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
    `${NEW}-m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
  ],
  'filter FORWARD': [
    `${NEW}-m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
    '-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    `${NEW}-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
    `${NEW}-m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
  ],
  'filter OUTPUT': [
    `${NEW}-m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
    `${NEW}-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
  ],
  'nat PREROUTING': ['-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'],
  'nat OUTPUT': ['-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'],
  'nat POSTROUTING': ['-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'],
  'nat INPUT': [],
}

for (const hasLocalhostNodePorts of [false, true]) {
  const title = hasLocalhostNodePorts ? 'the guard of localhost above them' : 'without a guard'
  t.test(`jumps stand at the head, once, in the order that kube-proxy has: ${title}`, async t => {
    const iptables = new FakeIptables()
    const others = ['-i eth9 -j ACCEPT', '-j DROP']
    for (const chain of Object.keys(jumps)) {
      const [table = '', name = ''] = chain.split(' ')
      iptables.tables
        .get(table)
        ?.get(name)
        ?.push(...others)
    }
    const backend = backendOn(iptables, { hasLocalhostNodePorts })
    await backend.replace([], noSignal)
    await backend.replace([], noSignal)
    for (const [chain, want] of Object.entries(jumps)) {
      const [table = '', name = ''] = chain.split(' ')
      const isGuarded = hasLocalhostNodePorts && /^filter (IN|OUT)PUT$/.test(chain)
      const guard = isGuarded ? ['-j KUBE-FIREWALL'] : []
      t.strictSame(iptables.rules(table, name), [...guard, ...want, ...others], chain)
    }
    const hasGuard = iptables.tables.get('filter')?.has('KUBE-FIREWALL')
    t.equal(hasGuard, hasLocalhostNodePorts)
  })
}

t.test(
  'a jump that is gone comes back at the head; those that stand stay in their place',
  async t => {
    const iptables = new FakeIptables()
    const backend = backendOn(iptables)
    await backend.replace([], noSignal)
    const input = iptables.tables.get('filter')?.get('INPUT') ?? []
    const [firewall, nodePorts, external] = input.splice(0)
    input.push('-j DROP', nodePorts as string, firewall as string)
    await backend.replace([], noSignal)
    t.strictSame(iptables.rules('filter', 'INPUT'), [external, '-j DROP', nodePorts, firewall])
  },
)

t.test('the guard of localhost joins the rules that the kubelet has', async t => {
  const iptables = new FakeIptables()
  const filter = iptables.tables.get('filter')
  filter?.set('KUBE-FIREWALL', ['-m mark --mark 0x8000/0x8000 -j DROP'])
  filter?.get('INPUT')?.push('-j KUBE-FIREWALL')
  const backend = backendOn(iptables, { hasLocalhostNodePorts: true })
  await backend.replace([], noSignal)
  t.strictSame(iptables.rules('filter', 'KUBE-FIREWALL'), [
    '! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    '-m mark --mark 0x8000/0x8000 -j DROP',
  ])
  const jumps = iptables.rules('filter', 'INPUT').filter(rule => rule === '-j KUBE-FIREWALL')
  t.equal(jumps.length, 1)
})

t.test('with more than 1000 endpoints, rules of endpoints have no comments', async t => {
  for (const [endpoints, has] of [
    [500, true],
    [501, false],
  ] as const) {
    const iptables = new FakeIptables()
    await backendOn(iptables).replace(
      statesOf(...web('a', 1, 500), ...web('b', 2, endpoints)),
      noSignal,
    )
    const nat = iptables.tables.get('nat') ?? new Map<string, string[]>()
    const rulesIn = (prefix: string) =>
      [...nat].filter(([name]) => name.startsWith(prefix)).flatMap(([, rules]) => rules)
    for (const prefix of ['KUBE-SVC-', 'KUBE-SEP-']) {
      const rules = rulesIn(prefix)
      t.ok(rules.length >= 1000)
      t.equal(rules.filter(rule => rule.includes('--comment')).length, has ? rules.length : 0)
    }
    t.ok(rulesIn('KUBE-SERVICES').every(rule => rule.includes('--comment')))
  }
})

t.test('endpoints count for each port they serve, in whatever state they are', async t => {
  const unready = Array.from({ length: 501 }, (_, index) =>
    endpoint(`10.1.${index >> 8}.${index & 255}`, { conditions: { ready: false, serving: false } }),
  )
  const ports = ['a', 'b'].map((name, index) => servicePort({ name, port: 80 + index }))
  const [served, its] = web('served', 1, 1)
  const others = [
    service({ name: 'idle', clusterIP: '10.96.0.2', ports }),
    slice({
      name: 'idle-1',
      labels: { [SERVICE_NAME_LABEL]: 'idle' },
      ports: ports.map(({ name, protocol }) => ({ name, protocol, port: 8080 })),
      endpoints: unready,
    }),
  ]
  const iptables = new FakeIptables()
  await backendOn(iptables).replace(statesOf(served, its, ...others), noSignal)
  const [chain = ''] = [...(iptables.tables.get('nat')?.keys() ?? [])].filter(name =>
    name.startsWith('KUBE-SEP-'),
  )
  t.notMatch(iptables.rules('nat', chain).join(), '--comment')
})

t.test('what no Service has claimed goes to node ports last, whatever comes and goes', async t => {
  const addresses = ['192.0.2.1', '192.0.2.2']
  const iptables = new FakeIptables()
  const backend = backendOn(iptables, { nodePortAddresses: () => addresses as IpAddress[] })
  const note =
    '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"'
  const last = addresses.map(ip => `-d ${ip}/32 ${note} -j KUBE-NODEPORTS`)
  const check = (services: number) => {
    const rules = iptables.rules('nat', 'KUBE-SERVICES')
    t.strictSame(rules.slice(-2), last)
    t.equal(rules.length, services + 2)
  }
  await backend.replace(statesOf(...web('m', 1, 1)), noSignal)
  check(1)
  await backend.update(statesOf(...web('a', 2, 1), ...web('z', 3, 1)), noSignal)
  check(3)
  await backend.update([['default/m', []]], noSignal)
  check(2)
})

t.test('names of any content stay in their quotation', async t => {
  const iptables = new FakeIptables()
  const name = `x" -j ACCEPT\n-F '\\ ${'é'.repeat(300)}`
  const port = servicePort({ name })
  await backendOn(iptables).replace(statesOf(service({ ports: [port] })), noSignal)
  const [rule = ''] = iptables.rules('filter', 'KUBE-SERVICES')
  t.match(rule, /--comment "default\/web:x\? -j ACCEPT\?-F \?\? \?+" -m tcp --dport 80 -j REJECT/)
  t.equal(/"(.*)"/.exec(rule)?.[1]?.length, 255)
})

t.test('what was written and what failed is counted', async t => {
  const reports: unknown[] = []
  const metrics: IptablesMetrics = {
    wrote: (table, counts) => reports.push([table, counts]),
    restoreFailed: sync => reports.push(sync),
    countPackets: () => {},
  }
  const iptables = new FakeIptables()
  const backend = backendOn(iptables, { metrics })
  await backend.replace([], noSignal)
  // KUBE-FORWARD has three rules; KUBE-MARK-MASQ, KUBE-POSTROUTING and the one to node ports in nat make five.
  t.strictSame(reports.splice(0), [
    ['filter', { total: 3, last: 3 }],
    ['nat', { total: 5, last: 5 }],
  ])
  await backend.update(statesOf(...web('a', 1, 1)), noSignal)
  t.strictSame(reports.splice(0), [
    ['filter', { total: 3, last: 0 }],
    // To the endpoint 1 and 2, from KUBE-SVC 1, from KUBE-EXT 2, from KUBE-SERVICES 1 and KUBE-NODEPORTS 1.
    ['nat', { total: 12, last: 8 }],
  ])
  iptables.failAfter = 0
  await t.rejects(backend.update(statesOf(...web('b', 2, 1)), noSignal), { code: 'ERR_IPTABLES' })
  await t.rejects(backend.replace([], noSignal), { code: 'ERR_IPTABLES' })
  t.strictSame(reports, [{ full: false }, { full: true }])
})

/** A backend whose guard sleeps for 5 s; gives what it says after `fault`. */
async function lossAfter(
  t: Test,
  options: Partial<IptablesOptions> & { readonly endpoints?: number },
  fault: (iptables: FakeIptables) => void,
): Promise<readonly string[]> {
  const iptables = new FakeIptables()
  const clock = new HeldClock()
  const backend = backendOn(iptables, { clock, checkPeriodMs: 5000, ...options })
  await backend.replace(statesOf(...web('a', 1, options.endpoints ?? 1)), noSignal)
  const stop = new AbortController()
  const reasons: string[] = []
  const guard = backend.guard(reason => reasons.push(reason), stop.signal)
  const period = async () => {
    clock.advance(5000)
    await eventually('the guard to sleep', () => clock.sleepers === 1)
  }
  await period()
  t.strictSame(reasons, [], 'nothing is lost yet')
  fault(iptables)
  await period()
  stop.abort()
  await guard
  return reasons
}

t.test('what others removed or changed is noticed', async t => {
  const chain = (table: string, name: string) => `chain ${table} ${name} is not as it was written`
  for (const table of ['filter', 'nat', 'mangle']) {
    const flush = (iptables: FakeIptables) => iptables.tables.get(table)?.delete(CANARY)
    t.strictSame(await lossAfter(t, {}, flush), [chain(table, CANARY)])
    const large = await lossAfter(t, { endpoints: 1001 }, flush)
    t.strictSame(large, [`chain ${table} ${CANARY} is gone`], 'in a large cluster')
  }
  const changed = await lossAfter(t, {}, iptables => {
    iptables.tables.get('nat')?.get('KUBE-MARK-MASQ')?.push('-j RETURN')
  })
  t.strictSame(changed, [chain('nat', 'KUBE-MARK-MASQ')])
  const unreachable = await lossAfter(t, {}, iptables => {
    iptables.tables.get('nat')?.get('PREROUTING')?.pop()
  })
  t.match(unreachable, [/^a rule is gone: -t nat PREROUTING .* -j KUBE-SERVICES$/])
})

t.test('in large clusters a program that cannot say is no loss', async t => {
  // Exit status 4 is a lock that is held, or memory that is short.
  const cannotSay = (iptables: FakeIptables) => {
    iptables.hasChain = async () => undefined
  }
  t.strictSame(await lossAfter(t, { endpoints: 1001 }, cannotSay), [])
})

t.test("others' rules and chains are no loss", async t => {
  const reasons = await lossAfter(t, {}, iptables => {
    iptables.tables.get('nat')?.set('DOCKER', ['-j RETURN'])
    iptables.tables.get('nat')?.get('PREROUTING')?.unshift('-j DOCKER')
  })
  t.strictSame(reasons, [])
})

t.test('new addresses of the node are noticed', async t => {
  const addresses = ['192.0.2.1']
  const options = { nodePortAddresses: () => [...addresses] as IpAddress[] }
  const reasons = await lossAfter(t, options, () => addresses.push('192.0.2.2'))
  t.strictSame(reasons, ['the addresses of the node changed'])
})

/** A backend that is told of changes as soon as `ring` says so. */
async function guarded(iptables: FakeIptables) {
  let rings = Promise.withResolvers<void>()
  const watch = {
    async next(signal: AbortSignal) {
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
      await Promise.race([rings.promise, aborted])
      rings = Promise.withResolvers()
      return { reason: 'iptables (pid 7): 1 rule deleted', isElementsOnly: false }
    },
    [Symbol.dispose]: () => {},
  }
  const backend = backendOn(iptables, { watch })
  const states = statesOf(...web('a', 1, 1))
  await backend.replace(states, noSignal)
  const stop = new AbortController()
  const reasons: string[] = []
  const guard = backend.guard(reason => reasons.push(reason), stop.signal)
  return {
    backend,
    states,
    reasons,
    ring: () => rings.resolve(),
    end: () => {
      stop.abort()
      return guard
    },
  }
}

t.test('where the kernel tells of changes, what is lost is noticed at once, each time', async t => {
  const iptables = new FakeIptables()
  const { backend, states, reasons, ring, end } = await guarded(iptables)
  for (let round = 1; round <= 3; round++) {
    iptables.tables.get('nat')?.set('KUBE-SERVICES', [])
    ring()
    await eventually('the guard to tell', () => reasons.length === round)
    await backend.replace(states, noSignal)
  }
  t.match(reasons[2], /^chain nat KUBE-SERVICES is not as it was written; iptables \(pid 7\)/)
  await end()
})

t.test('what another iptables prints in other words is written once more, then known', async t => {
  const iptables = new FakeIptables()
  const save = iptables.save.bind(iptables)
  iptables.save = async () => (await save()).replace('--random-fully', '--random-full')
  const { backend, states, reasons, ring, end } = await guarded(iptables)
  ring()
  await eventually('the guard to tell', () => reasons.length === 1)
  await backend.replace(states, noSignal)
  ring()
  iptables.tables.get('nat')?.set('KUBE-MARK-MASQ', [])
  await eventually('the guard to tell', () => reasons.length === 2)
  t.match(reasons, [/^chain nat KUBE-POSTROUTING /, /^chain nat KUBE-MARK-MASQ /])
  await end()
})
