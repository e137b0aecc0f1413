import type { Clock } from '#runtime/clock.ts'
import type { ConfigObject } from './config-object.ts'
import type { CniResult } from './result.ts'
import type { CniVersion } from './version.ts'

/** What CNI_COMMAND may say, but VERSION, which plugins do not see. */
export type CniVerb = 'ADD' | 'CHECK' | 'DEL' | 'GC' | 'STATUS'

/** What every plugin's configuration has. All other fields are read from `fields`. */
export type CniConfig = {
  readonly cniVersion: CniVersion
  /** The network's name: valid, never empty. */
  readonly name: string
  /** The plugin's name as the configuration says it; empty when it does not. */
  readonly type: string
  /** The result of the plugins before this one (ADD) or of the whole chain (CHECK, DEL). */
  readonly prevResult: CniResult | undefined
  /** The whole object. */
  readonly fields: ConfigObject
}

/** A call that was read and checked. STATUS gets no more than this. */
export type CniRequest = {
  readonly verb: CniVerb
  readonly config: CniConfig
  /** CNI_ARGS as it came; see args.ts. */
  readonly args: string
  /** The folders of CNI_PATH. */
  readonly pluginPath: readonly string[]
  /** What delegates get: the bytes of stdin, and the environment. */
  readonly raw: { readonly stdin: Uint8Array; readonly env: Readonly<NodeJS.ProcessEnv> }
}

/** ADD, CHECK, DEL: a call about one interface of one container. `config.name` completes its identity. */
export type AttachmentRequest = CniRequest & {
  /** CNI_CONTAINERID: valid, never empty. */
  readonly containerId: string
  /** CNI_IFNAME: valid, never empty. */
  readonly ifname: string
  /** CNI_NETNS as it came; empty (DEL only) when the namespace is gone. */
  readonly netns: string
  /** CNI_NETNS_OVERRIDE: the container's namespace may be the host's. */
  readonly netnsOverride: boolean
}

/** GC: everything of the network `config.name` that belongs to none of these goes. */
export type GcRequest = CniRequest & {
  /** undefined when the runtime sent no list: then nothing may be released. */
  readonly validAttachments: readonly GcAttachment[] | undefined
}
export type GcAttachment = { readonly containerId: string; readonly ifname: string }

/** What a plugin may use besides its request. */
export type CniContext = {
  readonly delegate: Delegate
  /** Writes a line for people to stderr: for what went wrong beside the error that is reported. */
  readonly warn: (message: string) => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Calls another plugin with the stdin and environment of this call (CNI specification 1.1.0, section 4). Errors are
 * {@link CniError}s with the delegate's own code and message.
 */
export interface Delegate {
  /** ADD. When it fails, the delegate's DEL has been called before this rejects. */
  add(type: string, request: AttachmentRequest): Promise<CniResult>
  /** Any verb without a result. Also used by roll-back: the verb need not be the request's. */
  run(verb: Exclude<CniVerb, 'ADD'>, type: string, request: CniRequest): Promise<void>
}

/** A CNI plugin. A method either does the whole work or rejects, having undone what it did. */
export interface CniPlugin {
  /** The name of its executable. */
  readonly name: string
  readonly supportedVersions: readonly CniVersion[]
  add(request: AttachmentRequest, context: CniContext): Promise<CniResult>
  check(request: AttachmentRequest, context: CniContext): Promise<void>
  /** Succeeds on what is already gone. */
  del(request: AttachmentRequest, context: CniContext): Promise<void>
  gc(request: GcRequest, context: CniContext): Promise<void>
  status(request: CniRequest, context: CniContext): Promise<void>
  /** Of plugins that make what others can take away. */
  readonly restoring?: Restoring
}

/** An attachment whose ADD has succeeded and whose container lives. */
export type LiveAttachment = {
  /** As ADD had it, with the result of the whole chain so far as prevResult. */
  readonly request: AttachmentRequest
  readonly result: CniResult
}

export type RestoreContext = Pick<CniContext, 'signal' | 'warn'>

/** How rules and links are found and made again that somebody has taken away. */
export interface Restoring {
  /** Names of nftables tables in which they can get lost, those that iptables makes among them. */
  readonly tables: readonly string[]
  /** Links and their addresses can get lost too. */
  readonly hasLinks?: boolean
  /** Which of these have lost something. Asked after changes of the tables: it should list once for all. */
  lost(live: readonly LiveAttachment[], context: RestoreContext): Promise<readonly LiveAttachment[]>
  /** Makes what ADD made again; nothing else works on the attachment meanwhile. What is there already is no error. */
  restore(live: LiveAttachment, context: RestoreContext): Promise<void>
}
