import t from 'tap'
import { type Query, type Reply, reply } from '../../../src/dns/message.ts'
import { autopath } from '../../../src/dns/plugins/autopath/plugin.ts'
import { parseRecord } from '../../../src/dns/zonefile/record.ts'
import type { IpAddress } from '../../../src/net/ip.ts'
import { blocksWith, clusterZone } from '../../helper/cluster-zone.ts'
import { queryFor } from '../../helper/dns.ts'
import { metricValue, replyAsText, testedPlugin } from '../../helper/plugin.ts'
import { pod } from '../../helper/zone-cluster.ts'

/** Knows these names; notes what it is asked. */
function serverOf(known: Readonly<Record<string, string | undefined>>) {
  const asked: string[] = []
  const next = ({ question: { name } }: Query): Reply => {
    asked.push(name)
    if (!Object.hasOwn(known, name)) return reply({ rcode: 'NXDOMAIN' })
    const data = known[name]
    return reply({ answers: data === undefined ? [] : [parseRecord(`${name} 7 A ${data}`)] })
  }
  return { asked, next }
}

const directory = t.testdir({
  'resolv.conf': 'nameserver 1.1.1.1\nsearch old.org\nsearch a.org b.org\n',
})
const withFile = (zones = '') =>
  testedPlugin(autopath, `autopath ${zones} resolv.conf`, { directory })

t.test(
  'walks the list and gives the first answer that is no denial, with an alias to it',
  async t => {
    const { ask, context } = await withFile()
    const { asked, next } = serverOf({ 'x.b.org.': '10.0.0.1' })
    t.strictSame(replyAsText(await ask(queryFor('x.a.org.'), next)), {
      rcode: 'NOERROR',
      answers: ['x.a.org. 7 CNAME x.b.org.', 'x.b.org. 7 A 10.0.0.1'],
    })
    t.strictSame(asked, ['x.a.org.', 'x.b.org.'])
    t.equal(await metricValue(context, 'coredns_autopath_success_total'), 1)
  },
)

const cases: readonly [
  title: string,
  known: Readonly<Record<string, string | undefined>>,
  answers: readonly string[] | undefined,
  rcode: string,
][] = [
  [
    'the first element needs no alias',
    { 'x.a.org.': '10.0.0.1' },
    ['x.a.org. 7 A 10.0.0.1'],
    'NOERROR',
  ],
  [
    'the bare name is last',
    { 'x.': '10.0.0.1' },
    ['x.a.org. 7 CNAME x.', 'x. 7 A 10.0.0.1'],
    'NOERROR',
  ],
  [
    'a name without data ends the walk',
    { 'x.b.org.': undefined, 'x.': '10.0.0.1' },
    undefined,
    'NOERROR',
  ],
  ['when all are denied the first denial is given', {}, undefined, 'NXDOMAIN'],
]
for (const [title, known, answers, rcode] of cases) {
  t.test(title, async t => {
    const { ask } = await withFile()
    const found = replyAsText(await ask(queryFor('x.a.org.'), serverOf(known).next))
    t.strictSame(found, answers === undefined ? { rcode } : { rcode, answers })
  })
}

t.test('other names are asked as they are', async t => {
  const { ask } = await withFile('a.org')
  for (const name of ['x.b.org.', 'a.org.', 'xa.org.']) {
    const { asked, next } = serverOf({})
    await ask(queryFor(name), next)
    t.strictSame(asked, [name])
  }
})

const zones = ['.']
const pods = [
  pod({ name: 'p1', namespace: 'shop', ips: ['10.4.0.1'] }),
  pod({ name: 'h1', namespace: 'shop', ips: ['10.9.0.1'] }),
  pod({ name: 'h2', namespace: 'other', ips: ['10.9.0.1'] }),
]
const from = (address: string) => ({ client: { address: address as IpAddress, port: 1 } })

t.test('@kubernetes: the list is that of the Pod that asks', async t => {
  const { ask } = await testedPlugin(autopath, 'autopath @kubernetes', {
    zones,
    blocks: blocksWith(zones, clusterZone(pods)),
  })
  const name = 'example.org.shop.svc.cluster.local.'
  const { asked, next } = serverOf({ 'example.org.': '192.0.2.1' })
  t.strictSame(replyAsText(await ask(queryFor(name, 'A', from('10.4.0.1')), next))?.answers, [
    `${name} 7 CNAME example.org.`,
    'example.org. 7 A 192.0.2.1',
  ])
  t.strictSame(asked.slice(0, 3), [
    name,
    'example.org.svc.cluster.local.',
    'example.org.cluster.local.',
  ])
  for (const [title, address] of [
    ['no Pod', '10.4.0.2'],
    ['Pods of several namespaces on the host’s network', '10.9.0.1'],
  ] as const) {
    const other = serverOf({})
    await ask(queryFor(name, 'A', from(address)), other.next)
    t.strictSame(other.asked, [name], title)
  }
})

t.test('never by the list of another namespace', async t => {
  const { ask } = await testedPlugin(autopath, 'autopath @kubernetes', {
    zones,
    blocks: blocksWith(zones, clusterZone(pods)),
  })
  const { asked, next } = serverOf({})
  await ask(queryFor('x.other.svc.cluster.local.', 'A', from('10.4.0.1')), next)
  t.strictSame(asked, ['x.other.svc.cluster.local.'])
})

for (const text of [
  'autopath',
  'autopath missing.conf',
  'autopath @erratic',
  'autopath a..b resolv.conf',
]) {
  t.test(`refuses ${text}`, t =>
    t.rejects(testedPlugin(autopath, text, { directory }), { code: 'ERR_CONFIG' }),
  )
}
