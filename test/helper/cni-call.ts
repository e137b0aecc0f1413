import { randomBytes } from 'node:crypto'
import { hostLocal } from '#cni/host-local/host-local.ts'
import { answerCall, type CniAnswer } from '#cni/spec/call.ts'
import type { CniPlugin } from '#cni/spec/plugin.ts'
import { systemClock } from '#runtime/clock.ts'

/** A plugin call of a test. What is not given is a sensible default. */
export type PluginCall = {
  readonly verb: string
  readonly config: object
  readonly containerId?: string
  readonly ifname?: string
  readonly netns?: string
  /** CNI_PATH; the folder of Debian's reference plugins when not given. */
  readonly path?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Where Debian's package containernetworking-plugins puts the reference plugins. */
export const REFERENCE_PLUGINS = '/usr/lib/cni'

/** An answer, read; the object is empty where nothing was printed. */
export type PluginAnswer = {
  readonly exitCode: number
  // Tests look into it by path; a wrong path fails them.
  readonly json: Record<string, unknown>
  readonly stderr: string
}

/** Environment of a call, as a runtime makes it. */
export const environmentOf = (call: PluginCall): Record<string, string> => ({
  CNI_COMMAND: call.verb,
  CNI_CONTAINERID: call.containerId ?? 'container',
  CNI_IFNAME: call.ifname ?? 'eth0',
  CNI_NETNS: call.netns ?? '',
  CNI_PATH: call.path ?? REFERENCE_PLUGINS,
  ...call.env,
})

/**
 * Calls one of our plugins in this process, by the protocol. Its IPAM plugin host-local is ours, in this process too,
 * unless the reference's is asked for.
 */
export async function callPlugin(
  plugin: CniPlugin,
  call: PluginCall,
  ipam: 'own' | 'reference' = 'own',
): Promise<PluginAnswer> {
  const stderr: string[] = []
  const answer = await answerCall(
    {
      env: environmentOf(call),
      readStdin: () => Promise.resolve(Buffer.from(JSON.stringify(call.config))),
    },
    {
      name: plugin.name,
      version: 'test',
      pluginFor: () => Promise.resolve(plugin),
      findOwnPlugin: (_executable, type) =>
        Promise.resolve(ipam === 'own' && type === hostLocal.name ? hostLocal : undefined),
      writeStderr: text => stderr.push(text),
      clock: systemClock,
      signal: AbortSignal.timeout(30_000),
    },
  )
  return { ...readAnswer(answer), stderr: stderr.join('') }
}

const readAnswer = ({ stdout, exitCode }: CniAnswer) => ({
  exitCode,
  json: (stdout === '' ? {} : JSON.parse(stdout)) as Record<string, unknown>,
})

/** An id that no other test uses. */
export const newContainerId = (): string => randomBytes(6).toString('hex')
