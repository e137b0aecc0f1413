import { answerCall, type CniAnswer, type CniHost } from '#cni/spec/call.ts'
import type { CniPlugin } from '#cni/spec/plugin.ts'
import { emptyResult } from '#cni/spec/result.ts'
import { cniVersions } from '#cni/spec/version.ts'
import { systemClock } from '#runtime/clock.ts'

/** The environment of a valid call. */
export const cniEnv = (changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'container1',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/nonexistent',
  ...changes,
})

/** A plugin that does nothing, but for what the test is about. */
export const fakePlugin = (changes: Partial<CniPlugin> = {}): CniPlugin => ({
  name: 'fake',
  supportedVersions: cniVersions,
  add: async () => emptyResult,
  check: async () => {},
  del: async () => {},
  gc: async () => {},
  status: async () => {},
  ...changes,
})

export type TestCall = {
  readonly env?: NodeJS.ProcessEnv
  /** A value to be sent as JSON, or the very text. */
  readonly config?: unknown
}

export type TestAnswer = CniAnswer & {
  /** stdout as JSON; undefined when it is empty. */
  readonly json: unknown
  readonly stderr: string
}

/** Sends a call to a plugin; no process is started. */
export async function callPlugin(
  plugin: CniPlugin,
  { env = cniEnv(), config = { cniVersion: '1.1.0', name: 'net1', type: 'fake' } }: TestCall = {},
  host: Partial<CniHost> = {},
): Promise<TestAnswer> {
  let stderr = ''
  const text = typeof config === 'string' ? config : JSON.stringify(config)
  const answer = await answerCall(
    { env, readStdin: async () => Buffer.from(text) },
    {
      name: plugin.name,
      version: '0.0.0',
      pluginFor: async () => plugin,
      writeStderr: written => {
        stderr += written
      },
      clock: systemClock,
      signal: new AbortController().signal,
      ...host,
    },
  )
  return { ...answer, stderr, json: answer.stdout === '' ? undefined : JSON.parse(answer.stdout) }
}
