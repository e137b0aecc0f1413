import t from 'tap'
import { main } from '../../src/main.ts'
import { corefile } from '../helper/agent-node.ts'
import { recordIo } from '../helper/command-io.ts'
import { eventually } from '../helper/eventually.ts'
import { WhyNode } from '../helper/why-node.ts'

/** The commands that read a running agent, on a node with a pod that asks. */

const why = await WhyNode.create(t.testdir())
t.teardown(() => why[Symbol.asyncDispose]())
const { node } = why
const { net, client } = node
await node.write(
  'Corefile',
  corefile(`cache 60
  hosts {
    192.0.2.7 example.org
    fallthrough
  }`),
)
await node.addService('web', '10.96.0.20')
await node.addService('zeta', '10.96.0.21')
const clientPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'client', namespace: 'shop' },
  spec: { nodeName: 'node-a', containers: [{ name: 'main' }], dnsPolicy: 'ClusterFirst' },
  status: { phase: 'Running', podIP: client.ip4, podIPs: [{ ip: client.ip4 }] },
}
await why.put('client', clientPod)
await why.startAgent()

const asClient = `--manifests ${node.path('manifests')} --config ${node.config} --cluster-dns ${net.bridgeIp4} --resolv-conf ${node.path('resolv.conf')}`

async function nodeplane(words: string) {
  const io = recordIo()
  const exitCode = await main(words.split(' '), io)
  return { exitCode, ...io.written }
}

t.test('dns query asks as the pod does, from where it is', async t => {
  const { exitCode, stdout } = await nodeplane(`dns query web --from shop/client ${asClient}`)
  t.equal(exitCode, 0)
  t.match(stdout, `;; nameserver ${net.bridgeIp4}, search shop.svc.cluster.local svc.cluster.local`)
  t.match(stdout, `;; web.shop.svc.cluster.local. A at ${net.bridgeIp4}: NOERROR`)
  t.match(stdout, /^web\.shop\.svc\.cluster\.local\. \d+ IN A 10\.96\.0\.20$/m)
})

t.test('dns query: what is not found is 1, with every name that was tried', async t => {
  const { exitCode, stdout } = await nodeplane(`dns query gone --from shop/client ${asClient}`)
  t.equal(exitCode, 1)
  const tried = ['gone.shop.svc.cluster.local.', 'gone.svc.cluster.local.', 'gone.cluster.local.']
  for (const name of tried) t.match(stdout, `;; ${name} A at ${net.bridgeIp4}: NXDOMAIN`)
  const silent = await nodeplane(`dns query web. --server 127.0.0.1 --port 5999 ${asClient}`)
  t.match(silent, { exitCode: 1, stdout: /REFUSED BY HOST/ })
})

t.test('dns explain tells the walk, the block, the plugins, and counts no query', async t => {
  const { exitCode, stdout } = await nodeplane(
    `dns explain zeta.shop --from shop/client ${asClient} -o json`,
  )
  t.equal(exitCode, 0)
  const { candidates } = JSON.parse(stdout)
  t.match(candidates, [
    { name: 'zeta.shop.shop.svc.cluster.local.', rcode: 'NXDOMAIN', answers: [] },
    {
      name: 'zeta.shop.svc.cluster.local.',
      type: 'A',
      listener: 'dns://:53',
      zone: '.',
      rcode: 'NOERROR',
      ttl: 30,
      answers: ['zeta.shop.svc.cluster.local. 30 IN A 10.96.0.21'],
    },
  ])
  t.equal(candidates[1].plugins.at(-1), 'kubernetes')
  t.notMatch(
    (await nodeplane('dns top')).stdout,
    'zeta',
    "the agent's own probes are counted, this is not",
  )
  const again = await nodeplane(`dns explain zeta.shop --from shop/client ${asClient}`)
  t.match(again.stdout, /plugins errors > cache: it was in the cache/)
})

t.test('dns cache: what is kept, by block and by name', async t => {
  await node.dig('example.org')
  const { stdout } = await nodeplane('dns cache -o json')
  const { blocks, entries } = JSON.parse(stdout)
  t.match(blocks, [{ server: 'dns://:53', zones: ['.'], denials: Number, misses: Number }])
  t.ok(entries.length > 0)
  const one = await nodeplane('dns cache Example.org')
  t.match(one, { exitCode: 0, stdout: /^example\.org\. +A +\d+ +NOERROR +A 192\.0\.2\.7$/m })
  t.match(await nodeplane('dns cache nobody.test'), { exitCode: 1 })
})

t.test('dns top: names that are asked, also of the fast path, and who asks', async t => {
  for (let times = 0; times < 30; times++) await node.dig('web.shop.svc.cluster.local')
  const top = await eventually('the count', async () => {
    const { stdout } = await nodeplane('dns top -o json')
    const { topNames, topClients } = JSON.parse(stdout)
    return topNames[0]?.count >= 30 && { topNames, topClients }
  })
  t.match(top.topNames[0], { name: 'web.shop.svc.cluster.local.', type: 'A' })
  t.equal(top.topClients[0].address, client.ip4)
  t.ok(top.topClients[0].count >= 30, JSON.stringify(top))
  const { stdout } = await net.node.exec('curl', ['-s', 'http://127.0.0.1:9154/metrics'])
  t.match(
    stdout,
    new RegExp(`nodeplane_dns_top_client_queries\\{.*address="${client.ip4}"\\} \\d+`),
  )
})

t.test('diff: nothing at first, then what somebody else took away', async t => {
  const same = await eventually('the agent to have settled', async () => {
    const answer = await nodeplane('diff')
    return answer.exitCode === 0 && answer
  })
  t.match(same.stdout, 'proxy: no difference\ndns: no difference\n')
  const flush = ['flush', 'map', 'ip', 'nodeplane', 'vips']
  // The agent puts it back within moments: somebody has to go on taking it away.
  const differing = await eventually('a difference', async () => {
    await net.node.exec('nft', flush)
    const answer = await nodeplane('diff')
    return answer.exitCode === 1 && answer
  })
  t.match(differing.stdout, /^proxy:\n(.*\n)*\+ .*vips.*10\.96\.0\.2/)
  await eventually('no difference', async () => (await nodeplane('diff')).exitCode === 0)
})
