import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '../../src/linux/exec.ts'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { eventually } from '../helper/eventually.ts'

const FIRST_CONNECT = new URL('../fixtures/first-connect.ts', import.meta.url).pathname
const SERVICES = 50

const node = await AgentNode.create(t.testdir())
t.teardown(() => node[Symbol.asyncDispose]())
await node.addService('web', '10.96.0.20')
const { config, client, net } = node

/** Puts a table of somebody else in the proxy's place: the kernel refuses every change to it until this is let go. */
async function takeTable(): Promise<() => void> {
  const other = net.node.spawn('nft', ['-i'], { stdio: ['pipe', 'ignore', 'inherit'] })
  for (const family of ['ip', 'ip6']) {
    other.stdin?.write(`delete table ${family} nodeplane\n`)
    other.stdin?.write(`add table ${family} nodeplane { flags owner; }\n`)
  }
  await eventually('the tables to be taken', async () => {
    const { stdout } = await net.node.exec('nft', ['list', 'ruleset'])
    return stdout.match(/flags owner/g)?.length === 2
  })
  return () => other.stdin?.end()
}

t.test('a Service is reachable from the moment its name is answered', async t => {
  await using agent = await AgentProcess.start(net.node, { config })
  const { stdout } = await client.namespace.exec(process.execPath, [
    FIRST_CONNECT,
    net.bridgeIp4,
    node.path('manifests'),
    node.server.ip4,
    String(SERVICES),
  ])
  t.strictSame(JSON.parse(stdout), Array(SERVICES).fill(`web ${client.ip4}`))
  t.strictSame(agent.loggedFrom(50), [])
})

t.test('while the kernel refuses: new names do not exist, all others are answered', async t => {
  await using agent = await AgentProcess.start(net.node, { config })
  const release = await takeTable()
  await node.addService('late', '10.96.0.30')
  await eventually('a failed sync', () =>
    agent.loggedFrom(40).some(({ msg, family }) => msg === 'sync failed' && family === 4),
  )
  t.equal(await node.addressOf('late'), 'NXDOMAIN')
  t.equal(await node.addressOf('web'), '10.96.0.20')
  await rm(node.path('manifests/new-0.yaml'))
  await eventually('a deletion', async () => (await node.addressOf('new-0')) === 'NXDOMAIN')
  t.equal(await node.addressOf('late'), 'NXDOMAIN')

  release()
  await eventually('the name', async () => (await node.addressOf('late')) === '10.96.0.30')
  t.equal(await node.connect('10.96.0.30'), `web ${client.ip4}`)
})

/** A folder whose `nft` waits until a file is there, and then is the real one. */
async function slowNft(folder: string): Promise<{ path: string; gate: string }> {
  const { stdout } = await exec('which', ['nft'])
  const path = join(folder, 'bin')
  const gate = join(folder, 'open')
  await mkdir(path)
  const script = `#!/bin/sh\nuntil [ -e '${gate}' ]; do sleep 0.05; done\nexec ${stdout.trim()} "$@"\n`
  await writeFile(join(path, 'nft'), script)
  await chmod(join(path, 'nft'), 0o755)
  return { path, gate }
}

t.test('started while nft hangs: nothing is denied, nothing new is named', async t => {
  await net.node.exec('nft', ['flush', 'ruleset'])
  const { path, gate } = await slowNft(t.testdir())
  const env = { PATH: `${path}:${process.env['PATH']}` }
  await using agent = AgentProcess.spawn(net.node, { config, env })
  await eventually(
    'an answer',
    async () => (await node.dig('+time=1 x.test')).status !== '',
    20_000,
  )
  // Not NXDOMAIN, which resolvers keep: the Service is there, only not yet here.
  t.equal(await node.addressOf('web'), 'SERVFAIL')
  t.match((await agent.get('/readyz')).body, /^proxy: not in the kernel yet/m)

  await writeFile(gate, '')
  await agent.ready()
  t.equal(await node.addressOf('web'), '10.96.0.20')
  t.equal(await node.connect('10.96.0.20'), `web ${client.ip4}`)
})
