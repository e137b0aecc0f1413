import { Command } from 'commander'
import { createLogger } from '#runtime/log.ts'
import { cleanUp, type Outcome, planCleanup } from './cleanup/clean-up.ts'
import type { Leftover } from './cleanup/leftovers.ts'
import type { Places } from './cleanup/look.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, runCommand, withExamples } from './command-line.ts'

type Options = Places & {
  readonly pods?: true
  readonly keepKubeProxy?: true
  readonly dryRun?: true
  readonly agentUrl: string
}

const defaultPlaces: Places = {
  runDir: '/run/nodeplane',
  stateDir: '/var/lib/nodeplane',
  confDir: '/etc/cni/net.d',
}
const DEFAULT_AGENT_URL = 'http://127.0.0.1:9154/livez'
/** An agent that runs answers at once. */
const AGENT_TIMEOUT_MS = 1000

/** `nodeplane cleanup`: removes everything that nodeplane has left on a node; docs/install.md. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, options => cleanUpNode(options, io))

/** `nodeplane agent --cleanup`, which is the same. */
export const runWithDefaults = (io: CommandIo): Promise<number> =>
  cleanUpNode({ ...defaultPlaces, agentUrl: DEFAULT_AGENT_URL }, io)

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cleanup')
      .description(
        "Removes everything that nodeplane has left on this node: rules of all modes (kube-proxy's too), routes, tunnels, addresses, the pod network, the CNI executables and configuration, state folders. While pods are attached, the pod network stays.",
      )
      .option('--pods', 'also cut off the pods that are attached, and remove their network')
      .option('--keep-kube-proxy', 'leave what has the names of a kube-proxy, which runs')
      .option('--dry-run', 'only print what would be removed')
      .option('--run-dir <dir>', 'what a reboot ends', defaultPlaces.runDir)
      .option('--state-dir <dir>', 'what outlives a reboot', defaultPlaces.stateDir)
      .option('--conf-dir <dir>', "the container runtime's configurations", defaultPlaces.confDir)
      .option('--agent-url <url>', 'where an agent that still runs would answer', DEFAULT_AGENT_URL)
      .allowExcessArguments(false),
    ['nodeplane cleanup --dry-run', 'nodeplane cleanup --keep-kube-proxy'],
  )

async function cleanUpNode(options: Options, io: CommandIo): Promise<number> {
  const { dryRun, pods: withPods = false, keepKubeProxy = false, ...places } = options
  const log = await createLogger('warn', io.stderr.isTTY === true)
  const settings = { places, withPods, keepKubeProxy, log }
  if (dryRun === true) {
    const outcome = await planCleanup(settings, io.signal)
    io.stdout.write(renderOutcome('would remove', outcome))
    return EXIT_OK
  }
  if (await isAgentRunning(options.agentUrl, io.signal)) {
    io.stderr.write(
      `nodeplane: an agent runs here (${options.agentUrl} answers) and would put back what is removed: stop it first\n`,
    )
    return EXIT_FAILURE
  }
  const outcome = await cleanUp(settings, io.signal)
  io.stdout.write(renderOutcome('removed', outcome))
  const isClean = [outcome.kept, outcome.stayed, outcome.problems].every(list => list.length === 0)
  return isClean ? EXIT_OK : EXIT_FAILURE
}

/** A line for each thing, and what to do about what is still there. */
function renderOutcome(done: string, outcome: Outcome): string {
  const { removed, kept, pods, stayed, problems } = outcome
  const lines = (word: string, list: readonly Leftover[]) =>
    list.map(({ what }) => `${word} ${what}`)
  const keeping =
    pods === 0
      ? []
      : [`the pod network stays while pods are attached (${pods}): drain the node, or give --pods`]
  const all = [
    ...lines(done, removed),
    ...lines('kept', kept),
    ...lines('STAYED', stayed),
    ...problems.map(problem => `FAILED ${problem}`),
    ...keeping,
  ]
  return all.length === 0 ? 'nothing of nodeplane is here\n' : `${all.join('\n')}\n`
}

async function isAgentRunning(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(AGENT_TIMEOUT_MS)])
    return (await fetch(url, { signal: limit })).ok
  } catch {
    signal.throwIfAborted()
    // Nobody listens, or somebody who does not speak HTTP.
    return false
  }
}
