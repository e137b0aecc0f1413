import { wholeText } from '#linux/nft.ts'
import { systemClock } from '#runtime/clock.ts'
import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts'
import { nftFamily } from '../../../src/proxy/nftables/table.ts'
import { testVerdicts } from '../verdict-table.ts'
import { FakeKernel } from './fake-kernel.ts'
import { trace } from './interpreter.ts'
import { nobodyElse } from './machine.ts'

testVerdicts({
  ownToUnserved: 'reset',
  outsiderToUnserved: 'drop',
  // There is a memory for each policy.
  afterOtherPolicy: 'it stays',
  async program({ family, states, detector, masqueradeAll, nodeName, nodeIPs }) {
    const kernel = new FakeKernel()
    const backend = new NftablesBackend({
      table: { family, name: 'np' },
      detector,
      masqueradeAll,
      nodePortAddresses: [],
      localhostNodePorts: false,
      dropInvalid: true,
      node: { nodeName, nodeIPs },
      serviceCIDRs: () => [],
      list: async () => undefined,
      listMap: async () => new Map(),
      listCounters: async () => new Map(),
      watch: nobodyElse,
      clock: systemClock,
      writer: { apply: async text => kernel.apply(wholeText(text)), [Symbol.dispose]: () => {} },
    })
    await backend.replace(states, new AbortController().signal)
    const rules = kernel.ruleset(`${nftFamily(family)} np`)
    return (packet, place) => trace(rules, packet, place)
  },
})
