import { appendFile, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentProcess } from '../../test/helper/agent-process.ts'
import { resumeApiCluster } from '../../test/helper/api-cluster.ts'
import type { LoadedNode } from '../../test/helper/loaded-node.ts'

/** What is done to a node under load; gives the agent that runs afterwards. */
export type Disruption = {
  readonly name: string
  readonly cause: (loaded: LoadedNode, agent: AgentProcess) => Promise<AgentProcess>
}

/** How long it takes a kubelet to replace a pod whose container has ended. */
const REPLACEMENT_MS = 2000
const OUTAGE_MS = 10_000

export const disruptions: readonly Disruption[] = [
  {
    name: 'none',
    cause: async (_loaded, agent) => {
      await sleep(5000)
      return agent
    },
  },
  {
    name: 'rolling update (SIGTERM, 2 s, next agent)',
    cause: async (loaded, agent) => {
      agent.kill('SIGTERM')
      await agent.exit()
      await sleep(REPLACEMENT_MS)
      return next(loaded)
    },
  },
  {
    name: 'kill -9, next agent at once',
    cause: async (loaded, agent) => {
      agent.kill('SIGKILL')
      await agent.exit()
      return next(loaded)
    },
  },
  {
    name: 'Corefile changed',
    cause: async ({ node }, agent) => {
      const text = await readFile(node.path('Corefile'), 'utf8')
      await node.write(
        'Corefile',
        text.replace(/ttl \d+/, ttl => (ttl === 'ttl 30' ? 'ttl 29' : 'ttl 30')),
      )
      // The plugin reload looks every 2 s here, with as much again at random.
      await sleep(6000)
      return agent
    },
  },
  {
    name: 'KubeProxyConfiguration changed, next agent at once',
    cause: async (loaded, agent) => {
      await appendFile(loaded.node.path('kube-proxy.yaml'), `nftables: { minSyncPeriod: 2s }\n`)
      await agent.exit()
      return next(loaded)
    },
  },
  {
    name: 'nft flush ruleset',
    cause: async ({ node }, agent) => {
      await node.net.node.exec('nft', ['flush', 'ruleset'])
      await sleep(5000)
      return agent
    },
  },
  {
    name: 'API server away for 10 s',
    cause: async (loaded, agent) => {
      const { port } = loaded.api
      await loaded.api[Symbol.asyncDispose]()
      await sleep(OUTAGE_MS)
      loaded.api = await resumeApiCluster(loaded.api, port)
      await sleep(5000)
      return agent
    },
  },
]

async function next(loaded: LoadedNode): Promise<AgentProcess> {
  const agent = loaded.spawnAgent()
  await agent.ready()
  return agent
}
