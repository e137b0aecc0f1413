import t from 'tap'
import { Pace } from '#runtime/pace.ts'
import { stateOf } from '../../../src/proxy/iptables/chain-state.ts'
import { counted } from '../../../src/proxy/iptables/counter-match.ts'
import { parseSaved } from '../../../src/proxy/iptables/saved.ts'

t.test('a rule that counts is known again, though it is printed with another blank', async t => {
  const rule = `-m conntrack --ctstate INVALID ${counted('invalid')} -j DROP`
  const printed = rule.replace('--nfacct-name ', '--nfacct-name  ')
  const text = `*filter\n:KUBE-FORWARD - [0:0]\n-A KUBE-FORWARD ${printed}\nCOMMIT\n`
  const { chains } = await parseSaved(text, () => true, new Pace())
  t.equal(chains.get('filter KUBE-FORWARD'), stateOf([rule]))
})
