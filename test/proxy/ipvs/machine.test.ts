import t from 'tap'
import type { IpFamily } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { planContext } from '../../../src/proxy/ipvs/backend.ts'
import { addressesFrom } from '../../../src/proxy/ipvs/machine.ts'

const [LO, ETH0, DUMMY] = [1, 2, 3]
const at = (linkIndex: number, text: string) => ({
  linkIndex,
  prefix: parsePrefix(text) as IpPrefix,
})
/** What the kernel lists on a node. */
const list = [
  at(LO as number, '127.0.0.1/8'),
  // An address of the node on the loopback link, as routers announce them.
  at(LO as number, '192.0.2.1/32'),
  at(LO as number, '::1/128'),
  at(ETH0 as number, '192.168.50.1/24'),
  at(ETH0 as number, '169.254.20.1/16'),
  at(ETH0 as number, '10.0.0.7/24'),
  at(ETH0 as number, 'fd00:50::1/64'),
  at(ETH0 as number, 'fe80::1/64'),
  at(DUMMY as number, '10.96.0.1/32'),
  at(DUMMY as number, 'fd00:96::1/128'),
]

const cases: readonly {
  family: IpFamily
  nodePortAddresses: readonly string[]
  machine: readonly string[]
  nodePorts: readonly string[]
}[] = [
  {
    family: 4,
    nodePortAddresses: [],
    machine: ['192.0.2.1', '192.168.50.1', '169.254.20.1', '10.0.0.7'],
    nodePorts: ['192.0.2.1', '192.168.50.1', '169.254.20.1', '10.0.0.7'],
  },
  {
    family: 4,
    nodePortAddresses: ['192.168.50.0/24', '10.0.0.7/32'],
    machine: ['192.0.2.1', '192.168.50.1', '169.254.20.1', '10.0.0.7'],
    nodePorts: ['192.168.50.1', '10.0.0.7'],
  },
  {
    family: 4,
    nodePortAddresses: ['127.0.0.0/8', '10.96.0.0/16'],
    machine: ['192.0.2.1', '192.168.50.1', '169.254.20.1', '10.0.0.7'],
    nodePorts: [],
  },
  { family: 6, nodePortAddresses: [], machine: ['fd00:50::1'], nodePorts: ['fd00:50::1'] },
  {
    family: 6,
    nodePortAddresses: ['::1/128', 'fe80::/10'],
    machine: ['fd00:50::1'],
    nodePorts: [],
  },
]
for (const { family, nodePortAddresses, machine, nodePorts } of cases) {
  t.test(`IPv${family}, node ports on ${nodePortAddresses.join() || 'all'}`, async t => {
    const addresses = addressesFrom(list, family, DUMMY)
    t.strictSame([...addresses.machine], machine)
    t.strictSame([...addresses.dummy], [family === 4 ? '10.96.0.1' : 'fd00:96::1'])
    const options = {
      family,
      node: { nodeName: 'node-1', nodeIPs: [], scheduler: 'rr' },
      nodePortAddresses: nodePortAddresses.map(text => parsePrefix(text) as IpPrefix),
    }
    t.strictSame(planContext(options, addresses).nodePortAddresses, nodePorts)
  })
}

t.test('without the dummy link all addresses are of the machine', async t => {
  const { dummy, machine } = addressesFrom(list, 4, undefined)
  t.equal(dummy.size, 0)
  t.ok(machine.has('10.96.0.1' as never))
})
