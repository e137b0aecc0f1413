import { parseDuration } from '#runtime/duration.ts'
import { defaultConfig, type ProxyConfig } from './config/schema.ts'

/** One value of the kernel that the configuration decides. */
export type KernelSetting = {
  /** The field that it comes from. */
  readonly field: string
  readonly target:
    | { readonly sysctl: string; readonly value: string }
    /** Of conntrack's hash table, at least. */
    | { readonly buckets: number }
  /** Was it asked for, or is it kube-proxy's default? */
  readonly isAsked: boolean
}

/** More entries need more memory than a proxy should take unasked (kube-proxy 1.36). */
const MAX_SCALED_ENTRIES = 1_048_576
/** Entries per bucket of the hash table. */
const ENTRIES_A_BUCKET = 4

/** What the `conntrack` section means on a machine with so many CPUs (kube-proxy, cmd/kube-proxy/app/conntrack.go). Pure. */
export function conntrackSettings(
  { conntrack }: Pick<ProxyConfig, 'conntrack'>,
  cpus: number,
): readonly KernelSetting[] {
  return [...sizeSettings(conntrack, cpus), ...timeoutSettings(conntrack), ...liberal(conntrack)]
}

type Section = ProxyConfig['conntrack']

const isAsked = (section: Section, ...names: readonly (keyof Section)[]): boolean => {
  const { conntrack: defaults } = defaultConfig()
  return names.some(name => section[name] !== defaults[name])
}

function sizeSettings(section: Section, cpus: number): readonly KernelSetting[] {
  const { maxPerCore, min } = section
  if (maxPerCore === 0) return []
  const max = Math.min(MAX_SCALED_ENTRIES, Math.max(min, maxPerCore * cpus))
  const common = { field: 'conntrack.maxPerCore', isAsked: isAsked(section, 'maxPerCore', 'min') }
  return [
    { ...common, target: { sysctl: 'net/netfilter/nf_conntrack_max', value: String(max) } },
    // Without it lookups are slower, nothing else: never worth a failed start.
    { ...common, isAsked: false, target: { buckets: Math.floor(max / ENTRIES_A_BUCKET) } },
  ]
}

const timeouts = {
  tcpEstablishedTimeout: 'nf_conntrack_tcp_timeout_established',
  tcpCloseWaitTimeout: 'nf_conntrack_tcp_timeout_close_wait',
  udpTimeout: 'nf_conntrack_udp_timeout',
  udpStreamTimeout: 'nf_conntrack_udp_timeout_stream',
} as const satisfies Partial<Record<keyof Section, string>>

/** Whole seconds; nothing is written for 0. */
const timeoutSettings = (section: Section): readonly KernelSetting[] =>
  (Object.keys(timeouts) as (keyof typeof timeouts)[]).flatMap(name => {
    const seconds = Math.trunc((parseDuration(section[name]) ?? 0) / 1000)
    if (seconds <= 0) return []
    const target = { sysctl: `net/netfilter/${timeouts[name]}`, value: String(seconds) }
    return [{ field: `conntrack.${name}`, isAsked: isAsked(section, name), target }]
  })

const liberal = ({ tcpBeLiberal }: Section): readonly KernelSetting[] =>
  tcpBeLiberal
    ? [
        {
          field: 'conntrack.tcpBeLiberal',
          isAsked: true,
          target: { sysctl: 'net/netfilter/nf_conntrack_tcp_be_liberal', value: '1' },
        },
      ]
    : []
