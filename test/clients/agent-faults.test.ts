import { rm } from 'node:fs/promises'
import t from 'tap'
import { AgentNode, corefile } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { eventually } from '../helper/eventually.ts'

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await node.write('Corefile', corefile('reload 2s 1s'))
await node.addService('web', '10.96.0.20')
const { config } = node
const agent = await AgentProcess.start(node.net.node, { config })
t.teardown(() => agent[Symbol.asyncDispose]())

const isServed = async () =>
  (await node.addressOf('web')) === '10.96.0.20' &&
  (await node.connect('10.96.0.20')) === `web ${node.client.ip4}`
const errors = () => agent.loggedFrom(50)

t.test('a manifest that breaks: one error naming the place, its objects stay', async t => {
  const before = errors().length
  await node.write('manifests/web.yaml', 'apiVersion: v1\nkind: Service\nmetadata: {\n')
  await eventually('an error', () => errors().length > before)
  t.match(JSON.stringify(errors().at(-1)), /web\.yaml:\d+/)
  // Another file's change makes it look at the directory again; the same fault is not told twice.
  await node.addService('more', '10.96.0.22')
  await eventually('the next change', async () => (await node.addressOf('more')) === '10.96.0.22')
  t.equal(errors().length, before + 1)
  t.ok(await isServed())
  t.equal((await agent.get('/readyz')).status, 200)

  await node.addService('web', '10.96.0.20')
  await rm(node.path('manifests/more.yaml'))
  await eventually('the mended file', async () => (await node.addressOf('more')) === 'NXDOMAIN')
  t.ok(await isServed())
})

t.test('a Corefile that breaks: an error naming the place, the former one serves on', async t => {
  await node.write('Corefile', `${corefile('reload 2s 1s')}example.org {\n  teapot\n}\n`)
  const { msg, problem } = await eventually('an error', () =>
    errors().find(line => line.msg.startsWith('reload failed')),
  )
  t.match(msg, 'the former Corefile stays in use')
  t.match(problem, /Corefile:\d+: unknown directive 'teapot'/)
  t.ok(await isServed())

  await node.write('Corefile', `${corefile('reload 2s 1s')}example.org {\n  whoami\n}\n`)
  await eventually(
    'the mended Corefile',
    async () => (await node.dig('example.org')).status === 'NOERROR',
  )
  t.ok(await isServed())
})
