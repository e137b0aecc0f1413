import { Option } from 'commander'
import { DEFAULT_AGENT_SOCKET } from '#agent/view/client.ts'

/** Which agent is asked. */
export type SocketOption = { readonly socket: string }

/** `--socket`: that of a test, or of one agent of several on a machine. */
export const socketOption = (): Option =>
  new Option('--socket <path>', "the agent's socket").default(DEFAULT_AGENT_SOCKET)
