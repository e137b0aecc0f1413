import t from 'tap'
import { renderAddresses, renderRelease, renderRules } from '#agent/node-local/render.ts'
import type { IpAddress } from '#net/ip.ts'

const address = (text: string) => text as IpAddress

t.test('queries and answers on port 53 are not tracked, by rules that die with their owner', t => {
  const text = renderRules(4, [address('10.96.0.10'), address('169.254.20.10')])
  const set = '{ 10.96.0.10, 169.254.20.10 }'
  t.match(text, /^table ip nodeplane-dns \{\n {2}flags owner\n/)
  const queries = `ip daddr ${set} meta l4proto { tcp, udp } th dport 53 notrack`
  t.equal(text.split(queries).length, 3, 'from outside and of the node itself')
  t.ok(text.includes(`ip saddr ${set} meta l4proto { tcp, udp } th sport 53 notrack`))
  t.equal(text.match(/priority raw/g)?.length, 3)
  t.end()
})

t.test('who stops catching still answers, untracked', t => {
  const flushed = renderRelease(4).match(/(?<=^flush chain ip nodeplane-dns )\w+$/gm)
  const text = renderRules(4, [address('10.96.0.10')])
  const kept = text.split('chain ').filter(chain => !flushed?.includes(chain.split(' ')[0] ?? ''))
  t.match(kept.join(), 'saddr')
  t.notMatch(kept.join(), 'daddr')
  t.end()
})

t.test('what outlives the process has no owner, and is replaced as a whole', t => {
  const text = renderAddresses(6, [address('fd00:96::10')])
  t.ok(
    text.startsWith(
      'add table ip6 nodeplane-dns-addresses\ndelete table ip6 nodeplane-dns-addresses\n',
    ),
  )
  t.match(text, 'elements = { fd00:96::10 }')
  t.match(text, 'type ipv6_addr')
  t.notMatch(text, 'owner')
  t.end()
})
