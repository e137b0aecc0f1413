import t from 'tap'
import { nodePortRules } from '../../../src/proxy/iptables/node-port-rules.ts'

const port = {
  nodePort: 30080,
  protocol: 'TCP',
  name: 'default/web',
  external: 'KUBE-EXT-X',
  countsLocalhost: false,
} as const
const toAny = '-p tcp -m comment --comment default/web -m tcp --dport 30080 -j KUBE-EXT-X'
const bare = (rules: readonly string[]) => rules.map(rule => rule.replaceAll('"', ''))

t.test('one rule for a node port, none without', async t => {
  t.strictSame(bare(nodePortRules(port)), [toAny])
  t.strictSame(nodePortRules({ ...port, nodePort: 0 }), [])
})

t.test('with counters connections to 127.0.0.0/8 are counted first', async t => {
  t.strictSame(bare(nodePortRules({ ...port, countsLocalhost: true })), [
    toAny
      .replace('-p', '-d 127.0.0.0/8 -p')
      .replace('-m tcp', '-m nfacct --nfacct-name localhost_nps_accepted_pkts -m tcp'),
    toAny,
  ])
})
