import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Journal } from '#cni/journal/journal.ts'
import { sweep } from '#cni/journal/sweep.ts'
import { loadPlugin } from '#cni/plugins.ts'
import { AttachedPods } from '#cni/pods/attached-pods.ts'
import { type CallHandler, createCallHandler } from '#cni/server/answer-call.ts'
import type { AnswerFrame } from '#cni/server/frame.ts'
import { createWatcher } from '#cni/service.ts'
import { exec } from '#linux/exec.ts'
import { systemClock } from '#runtime/clock.ts'
import { buildOr } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig, hostLocal } from '../helper/cni-network.ts'
import { remainsOf } from '../helper/cni-remains.ts'
import { killedAfter } from '../helper/kill-point.ts'
import { TestNamespace } from '../helper/namespace.ts'

/*
 * The agent's part for CNI calls, in this process: what a runtime sends, agents that are killed in the middle, containers that
 * vanish, and new agents that find what is left.
 */

const never = new AbortController().signal

/** An agent's calls, pods and journal, as one that starts finds them. */
class Agent {
  readonly journal: Journal
  readonly #calls: CallHandler

  constructor(folder: string) {
    const pods = AttachedPods.open(join(folder, 'pods'), () => {})
    this.journal = Journal.open(join(folder, 'journal'), (fields, message) => {
      throw new Error(`${message}: ${JSON.stringify(fields)}`)
    })
    const watched = { whyNotReady: () => undefined, dnsOf: () => undefined }
    this.#calls = createCallHandler({
      version: '0',
      loadPlugin,
      watcher: createWatcher(pods, this.journal, watched),
      metrics: { answered: () => {}, reclaimed: () => {} },
      clock: systemClock,
    })
  }

  sweep() {
    return sweep(this.journal, this.#calls.answerIfWanted, never)
  }

  call(verb: string, call: Call): Promise<AnswerFrame> {
    const { plugin = 'bridge', containerId = '', netns = '', config } = call
    const env = cniEnv({
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_PATH: bin,
    })
    const name = join(bin, plugin)
    return this.#calls.answer(
      { name, self: name, env, config: Buffer.from(JSON.stringify(config)) },
      never,
    )
  }
}

type Call = {
  readonly plugin?: string
  readonly containerId?: string
  readonly netns?: string
  readonly config: object
}

const dist = await buildOr(join(t.testdir(), 'dist'))
const bin = join(dist, 'cni')

/** Whole numbers below a limit, the same in each run (Numerical Recipes' generator). */
function dice(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const ROUNDS = 1000
/** The machine may be busy with other things. */
const MAX_MS = 100_000

type Pod = { readonly containerId: string; readonly config: object; netns: TestNamespace }

t.test('1,000 rounds of ADD, kill, DEL and GC: nothing leaks, nothing is given twice', async t => {
  await using host = await enterHost()
  await using stack = new AsyncDisposableStack()
  const folder = t.testdir()
  const dataDir = join(folder, 'leases')
  // Two networks on one bridge.
  const networks = ['10.22.0.0/27', '10.23.0.0/27'].map((subnet, index) =>
    bridgeConfig(dataDir, {
      name: `net${index}`,
      cniVersion: '1.1.0',
      forceAddress: false,
      isDefaultGateway: false,
      ipMasq: index === 1,
      ipam: hostLocal(dataDir, [subnet]),
    }),
  )
  const stores = networks.map((_, index) => join(dataDir, `net${index}`))
  const free = await Promise.all(
    Array.from({ length: 8 }, async () => stack.use(await TestNamespace.create('pod'))),
  )
  const live: Pod[] = []
  const owners = new Map<string, string>()
  const random = dice(7)
  let agent = new Agent(folder)
  let [rounds, kills] = [0, 0]
  const ended = (pod: Pod) => {
    live.splice(live.indexOf(pod), 1)
    for (const [address, owner] of owners) if (owner === pod.containerId) owners.delete(address)
    free.push(pod.netns)
  }
  const del = async (pod: Pod, netns = pod.netns.path) => {
    const { exitCode, stdout } = await agent.call('DEL', { ...pod, netns })
    if (exitCode !== 0) t.fail(stdout)
    ended(pod)
  }
  const add = async () => {
    const netns = free.shift()
    if (netns === undefined) return
    const config = networks[random(2)] as object
    const pod = { containerId: `pod${rounds}x`, config, netns }
    live.push(pod)
    const work = () => agent.call('ADD', { ...pod, netns: netns.path })
    const last = random(3) === 0 ? random(45) : Number.POSITIVE_INFINITY
    const { result } = await killedAfter(last, work)
    if (result === undefined) {
      kills += 1
      agent = new Agent(folder)
      // The runtime hears of it and sends a DEL, or is killed too.
      if (random(2) === 0) await del(pod)
      return
    }
    if (result.exitCode !== 0) throw new Error(result.stdout)
    const { ips } = JSON.parse(result.stdout) as { ips: { address: string }[] }
    for (const { address } of ips) {
      t.notOk(owners.has(address), `${address} is given once`)
      owners.set(address, pod.containerId)
    }
  }
  // The path may be free by the time of the sweep, or another namespace be at it.
  const vanish = async (pod: Pod) => {
    const { name } = pod.netns
    await exec('ip', ['netns', 'del', name])
    const isReused = random(2) === 0
    if (isReused) await exec('ip', ['netns', 'add', name])
    t.strictSame((await agent.sweep()).failed, [])
    const isKnown = agent.journal.list().some(each => each.containerId === pod.containerId)
    t.notOk(isKnown, pod.containerId)
    if (!isReused) await exec('ip', ['netns', 'add', name])
    ended(pod)
  }
  const beganMs = performance.now()
  while (rounds < ROUNDS && performance.now() - beganMs < MAX_MS) {
    rounds += 1
    const pod = live[random(live.length)]
    const what = random(20)
    if (pod === undefined || what < 9) await add()
    else if (what < 18) await del(pod, random(4) === 0 ? '' : pod.netns.path)
    else if (what === 18) await gc(agent, networks, live)
    else await vanish(pod)
  }
  t.comment(
    `${rounds} rounds, ${kills} agents killed, in ${Math.round(performance.now() - beganMs)} ms`,
  )
  const kept = new Set(live.map(({ containerId }) => containerId))
  for (const { containerId } of agent.journal.list()) t.ok(kept.has(containerId), containerId)
  while (live[0] !== undefined) await del(live[0])
  t.strictSame(await remainsOf(host, 'pod', stores), [])
  t.strictSame(agent.journal.list(), [])
  t.strictSame(readdirSync(join(folder, 'journal')), [])
  t.ok(rounds === ROUNDS || performance.now() - beganMs >= MAX_MS)
})

async function gc(agent: Agent, networks: readonly object[], live: readonly Pod[]): Promise<void> {
  for (const config of networks) {
    const valid = live
      .filter(pod => pod.config === config)
      .map(({ containerId }) => ({ containerID: containerId, ifname: 'eth0' }))
    const { exitCode, stdout } = await agent.call('GC', {
      config: { ...config, 'cni.dev/valid-attachments': valid },
    })
    if (exitCode !== 0) throw new Error(stdout)
  }
}
