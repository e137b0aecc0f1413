import { randomBytes } from 'node:crypto'
import { bridge } from '#cni/bridge/bridge.ts'
import { hostLocal } from '#cni/host-local/host-local.ts'
import type { CniPlugin } from '#cni/spec/plugin.ts'
import { callPlugin, cniEnv } from './cni.ts'

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
export const environmentOf = (call: PluginCall): NodeJS.ProcessEnv =>
  cniEnv({
    CNI_COMMAND: call.verb,
    CNI_CONTAINERID: call.containerId ?? 'container',
    CNI_IFNAME: call.ifname ?? 'eth0',
    CNI_NETNS: call.netns ?? '',
    CNI_PATH: call.path ?? REFERENCE_PLUGINS,
    ...call.env,
  })

/**
 * Calls one of our plugins in this process, as a runtime does. Its IPAM plugin host-local is ours, in this process too,
 * unless the reference's is asked for.
 */
export async function callVerb(
  plugin: CniPlugin,
  call: PluginCall,
  ipam: 'own' | 'reference' = 'own',
): Promise<PluginAnswer> {
  const { exitCode, json, stderr } = await callPlugin(
    plugin,
    { env: environmentOf(call), config: call.config },
    {
      findOwnPlugin: (_executable, type) =>
        Promise.resolve(ipam === 'own' && type === hostLocal.name ? hostLocal : undefined),
      signal: AbortSignal.timeout(30_000),
    },
  )
  return { exitCode, json: (json ?? {}) as Record<string, unknown>, stderr }
}

/** Calls our bridge, in this process and with our host-local. */
export const callBridge = (
  verb: string,
  config: object,
  netns: string,
  rest: Partial<PluginCall> = {},
): Promise<PluginAnswer> => callVerb(bridge, { verb, config, netns, ...rest })

/** An id that no other test uses. */
export const newContainerId = (): string => randomBytes(6).toString('hex')
