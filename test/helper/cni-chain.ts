import { join } from 'node:path'
import { loadPlugin } from '#cni/plugins.ts'
import { ExecError, exec } from '#linux/exec.ts'
import { callVerb, environmentOf, type PluginAnswer, REFERENCE_PLUGINS } from './cni-call.ts'

/** One plugin of a chain; `reference` runs Debian's program instead of ours. */
export type ChainLink = Readonly<Record<string, unknown>> & {
  readonly type: string
  readonly reference?: boolean
}

/** An attachment of a network whose configuration is a list of plugins, as a runtime handles it (CNI 1.1.0, section 3). */
export type Chain = {
  readonly plugins: readonly ChainLink[]
  readonly netns: string
  readonly containerId?: string
  readonly ifname?: string
  readonly cniVersion?: string
  readonly name?: string
}

type Verb = 'ADD' | 'CHECK' | 'DEL' | 'GC' | 'STATUS'

/**
 * Calls the plugins of a chain one after the other, for DEL the last first; ADD hands each the result of those before it.
 * @param result for CHECK and DEL: of the whole chain.
 * @returns the last answer, or the first that is an error.
 */
export async function callChain(
  verb: Verb,
  chain: Chain,
  result?: object,
  more: object = {},
): Promise<PluginAnswer> {
  let prevResult = result
  let answer: PluginAnswer = { exitCode: 0, json: {}, stderr: '' }
  for (const plugin of verb === 'DEL' ? chain.plugins.toReversed() : chain.plugins) {
    answer = await callLink(verb, chain, { ...plugin, ...more }, prevResult)
    if (answer.exitCode !== 0) return answer
    if (verb === 'ADD') prevResult = answer.json
  }
  return answer
}

async function callLink(
  verb: Verb,
  { cniVersion = '1.0.0', name = 'net', netns, containerId, ifname }: Chain,
  { reference = false, ...plugin }: ChainLink,
  prevResult: object | undefined,
): Promise<PluginAnswer> {
  const config = { ...plugin, cniVersion, name, ...(prevResult && { prevResult }) }
  const call = {
    verb,
    config,
    netns,
    ...(containerId === undefined ? {} : { containerId }),
    ...(ifname === undefined ? {} : { ifname }),
  }
  return reference
    ? await callReference(plugin.type, call)
    : await callVerb(await loadPlugin(plugin.type), call)
}

async function callReference(
  type: string,
  call: Parameters<typeof environmentOf>[0],
): Promise<PluginAnswer> {
  // Debian's plugins end at 1.0.0; iptables and its like are found by PATH.
  const env = { ...environmentOf(call), PATH: process.env['PATH'] }
  try {
    const input = JSON.stringify(call.config)
    const { stdout, stderr } = await exec(join(REFERENCE_PLUGINS, type), [], { input, env })
    return { exitCode: 0, json: stdout === '' ? {} : JSON.parse(stdout), stderr }
  } catch (error) {
    if (!(error instanceof ExecError) || error.exitCode === undefined) throw error
    return {
      exitCode: error.exitCode,
      json: JSON.parse(error.stdout || '{}'),
      stderr: error.stderr,
    }
  }
}
