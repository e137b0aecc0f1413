import t from 'tap'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { ChangeTracker } from '../../../src/proxy/change-tracker.ts'
import { describeTable, diffTable } from '../../../src/proxy/nftables/describe.ts'
import { renderLayout } from '../../../src/proxy/nftables/layout.ts'
import { endpoint, service, slice } from '../../helper/cluster.ts'

const prefix = (text: string) => parsePrefix(text) as IpPrefix
const options = {
  table: { family: 4, name: 'nodeplane' },
  detector: undefined,
  masqueradeAll: false,
  nodePortAddresses: [],
  localhostNodePorts: false,
  dropInvalid: true,
} as const
const described = {
  options,
  layout: renderLayout(options),
  node: { nodeName: 'node-1', nodeIPs: [] },
  serviceCIDRs: [],
}

/** The states of `default/web` with these endpoints. */
function states(...pods: readonly string[]) {
  const tracker = new ChangeTracker(4, { nodeName: 'node-1' })
  const objects = [service(), slice({ endpoints: pods.map(ip => endpoint(ip)) })]
  for (const after of objects) {
    tracker.apply({ kind: after.kind, key: 'default/web', after } as never)
  }
  return [['default/web', tracker.stateOf('default/web')] as const]
}

t.test('the layout first, then each Service with its elements and their reasons', async t => {
  const lines = [...describeTable(described, states('10.0.0.1', '10.0.0.2'))]
  const heading = lines.findIndex(line => line.startsWith('# default/web/TCP'))
  t.ok(heading > lines.findIndex(line => line.startsWith('table ip nodeplane {')))
  t.equal(
    lines[heading],
    '# default/web/TCP at 10.96.0.10: 2 endpoints, 2 usable under policy Cluster, 0 under Local',
  )
  const own = lines.slice(heading + 1)
  t.ok(own.includes('add chain ip nodeplane lb-2'))
  for (const container of ['vips', 'lb', 'endpoints-tcp', 'cluster-ips', 'hairpins']) {
    const element = own.filter(line => line.startsWith(`add element ip nodeplane ${container} {`))
    t.ok(element.length > 0, container)
    t.ok(
      element.every(line => / # \S/.test(line)),
      `${container}: a reason`,
    )
  }
})

t.test('a Service without endpoints is said to be refused', async t => {
  const lines = [...describeTable(described, states())]
  t.ok(lines.some(line => line.startsWith('# default/web/TCP') && line.endsWith(': refused')))
})

t.test('no table: one difference; an empty one: every chain and element is missing', async t => {
  t.match(await diffTable(described, states('10.0.0.1'), undefined), [
    { place: 'ip nodeplane', wanted: /^the whole table/, found: undefined },
  ])
  const differences = await diffTable(described, states('10.0.0.1'), {
    elements: new Map(),
    chains: new Set(),
    filled: new Set(),
  })
  t.ok(differences.every(({ wanted, found }) => wanted !== undefined && found === undefined))
  t.match(
    differences.find(({ place }) => place === 'ip nodeplane cluster-ips'),
    { wanted: '10.96.0.10' },
  )
  t.ok(differences.some(({ wanted }) => wanted === 'chain lb-1'))
})

t.test('ServiceCIDRs are among what is written and compared', async t => {
  const serviceCIDRs = [prefix('10.96.0.0/12')]
  const lines = [...describeTable({ ...described, serviceCIDRs }, [])]
  const element = 'add element ip nodeplane service-cidrs { 10.96.0.0/12 }'
  t.ok(
    lines.includes(`${element} # a range of cluster IPs: what no Service there claims is dropped`),
  )
  const elements = new Map([['service-cidrs', new Map([['10.0.0.0/12', '']])]] as const)
  const found = { elements, chains: new Set<string>(), filled: new Set<string>() }
  t.strictSame(await diffTable({ ...described, serviceCIDRs }, [], found), [
    { place: 'ip nodeplane service-cidrs', wanted: undefined, found: '10.0.0.0/12' },
    { place: 'ip nodeplane service-cidrs', wanted: '10.96.0.0/12', found: undefined },
  ])
})
