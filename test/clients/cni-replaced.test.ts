import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { buildInto } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { CniAgent } from '../helper/cni-agent.ts'
import { bridgeConfig } from '../helper/cni-network.ts'
import { type ProgramAnswer, runPlugin } from '../helper/cni-program.ts'
import { TestNamespace } from '../helper/namespace.ts'

/* The executables as they are shipped, while their agent is replaced. */

const built = join(t.testdir(), 'dist')
const bin = join(built, 'cni')
t.before(() => buildInto(built))

type Call = {
  readonly verb: string
  readonly netns?: string
  readonly config: object
  readonly env?: Readonly<Record<string, string>>
}

const call = ({ verb, netns = '', config, env }: Call): Promise<ProgramAnswer> =>
  runPlugin({
    program: join(bin, 'bridge'),
    config,
    env: cniEnv({ CNI_COMMAND: verb, CNI_NETNS: netns, CNI_PATH: bin, ...env }),
  })

const addressesOf = ({ stdout, exitCode }: ProgramAnswer): readonly unknown[] => {
  if (exitCode !== 0) throw new Error(stdout)
  return (JSON.parse(stdout) as { ips: unknown[] }).ips
}

t.test('an agent that manages the node is replaced: calls wait for the next one', async t => {
  const folder = t.testdir({ net: {} })
  const config = bridgeConfig(folder)
  const first = await CniAgent.start(built, folder, { cni: { callsWait: true } })
  await first.kill('SIGTERM')
  t.match(await call({ verb: 'VERSION', config }), { exitCode: 0 }, 'this one needs no agent')
  await using pod = await TestNamespace.create('pod')
  const adding = call({ verb: 'ADD', netns: pod.path, config })
  await using next = await CniAgent.start(built, folder, { cni: { callsWait: true } })
  t.equal(addressesOf(await adding).length, 2)
  t.equal(
    await next.metric('nodeplane_cni_calls_total{command="ADD",plugin="bridge",result="ok"}'),
    1,
    'the next one did it',
  )
  await call({ verb: 'DEL', netns: pod.path, config })
  await next.kill('SIGTERM')
  // Else the calls of other tests would wait.
  rmSync('/run/nodeplane/cni.sock.managed')
})

t.test('nobody comes: the first call waits, and no other', async t => {
  const config = bridgeConfig(t.testdir({ net: {} }))
  const mark = '/run/nodeplane/cni.sock.managed'
  const agent = await CniAgent.start(built, t.testdirName, { cni: { callsWait: true } })
  await agent.kill('SIGKILL')
  t.ok(existsSync(mark))
  await using pod = await TestNamespace.create('pod')
  const env = { NODEPLANE_CNI_AWAY_MS: '200' }
  t.equal(addressesOf(await call({ verb: 'ADD', netns: pod.path, config, env })).length, 2)
  t.notOk(existsSync(mark), 'the call alone, at last')
  t.match(await call({ verb: 'DEL', netns: pod.path, config }), { exitCode: 0 })
})

t.test('an agent that ends before it has read a call: somebody else does it', async t => {
  const config = bridgeConfig(t.testdir({ net: {} }))
  // Paths of sockets are short.
  const socket = '/run/ending.sock'
  let refused = 0
  const ending = createServer({ pauseOnConnect: true }, connection => {
    refused++
    if (refused === 2) ending.close()
    connection.destroy()
  })
  await once(ending.listen(socket), 'listening')
  await using pod = await TestNamespace.create('pod')
  const env = { NODEPLANE_CNI_SOCKET: socket }
  t.equal(addressesOf(await call({ verb: 'ADD', netns: pod.path, config, env })).length, 2)
  t.equal(refused, 2, 'it was asked again, then did the call alone, with all of stdin')
  t.match(await call({ verb: 'DEL', netns: pod.path, config }), { exitCode: 0 })
})
