import { NftablesBackend } from '../../../src/proxy/nftables/backend.ts'
import { nftFamily } from '../../../src/proxy/nftables/table.ts'
import { testVerdicts } from '../verdict-table.ts'
import { FakeKernel } from './fake-kernel.ts'
import { trace } from './interpreter.ts'

testVerdicts({
  ownToUnserved: 'reset',
  outsiderToUnserved: 'drop',
  async program({ family, states, detector, nodeName, nodeIPs }) {
    const kernel = new FakeKernel()
    const backend = new NftablesBackend({
      table: { family, name: 'np' },
      clusterCIDR: detector,
      masqueradeAll: false,
      nodePortAddresses: [],
      node: { nodeName, nodeIPs },
      list: async () => undefined,
      listMap: async () => new Map(),
      writer: { apply: async text => kernel.apply(text), [Symbol.dispose]: () => {} },
    })
    await backend.replace(states, new AbortController().signal)
    const rules = kernel.ruleset(`${nftFamily(family)} np`)
    return (packet, place) => trace(rules, packet, place)
  },
})
