import t from 'tap'
import { WhyNode } from '../helper/why-node.ts'

/** What `nodeplane why` says of rules in mode iptables, where it compares all of them. */

const why = await WhyNode.create(t.testdir(), 'iptables')
t.teardown(() => why[Symbol.asyncDispose]())
const { node } = why
await node.addService('web', '10.96.0.20')
await node.addService('other', '10.96.0.21')
await why.startAgent()
const iptables = (words: string) => node.net.node.exec('iptables-nft', words.split(' '))

t.test('nothing is wrong to begin with', async t => {
  const { walk } = await why.hasCause('shop/web', undefined)
  t.match(walk.find(({ step }) => step === 'rule')?.lines, ['iptables: all rules are there'])
})

t.test('rule-missing: of the Service that lost them, and of no other', async t => {
  await why.killAgent()
  const saved = (await iptables('-t nat -S KUBE-SERVICES')).stdout
  const rule = saved.split('\n').find(line => line.includes('10.96.0.20/32')) ?? ''
  const words = rule
    .replace(/^-A/, '-D')
    .match(/"[^"]*"|\S+/g)
    ?.map(word => word.replaceAll('"', ''))
  await node.net.node.exec('iptables-nft', ['-t', 'nat', ...(words ?? [])])
  const { findings } = await why.hasCause('10.96.0.20:80', 'rule-missing')
  t.match(findings[0]?.message, /10\.96\.0\.20/)
  await why.hasCause('10.96.0.21:80', undefined)
})

t.test('rule-missing: all is gone', async () => {
  await iptables('-t nat -F')
  await why.hasCause('10.96.0.21:80', 'rule-missing')
})
