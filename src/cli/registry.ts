import type { CommandModule, CommandSummary } from './command-line.ts'

/**
 * A command: a file of src/cli, loaded when it is called, or a name under which others stand. To add one, write the file and a
 * line here: help, completion and their tests find it.
 */
export type CommandEntry = CommandSummary & {
  readonly load?: () => Promise<CommandModule>
  readonly commands?: readonly CommandEntry[]
}

/** All commands. What is called is loaded, and nothing else: a CNI plugin must not pay for the DNS server. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'agent',
    summary: 'the service proxy, DNS and CNI of a node in one process',
    load: () => import('./agent.ts'),
  },
  {
    name: 'proxy',
    summary: "program Services into the kernel, with kube-proxy's flags and file",
    load: () => import('./proxy.ts'),
    commands: [
      {
        name: 'diff',
        summary: 'in what the kernel differs from what should be',
        load: () => import('./proxy-diff.ts'),
      },
    ],
  },
  {
    name: 'dns',
    summary: "answer the cluster's names, with CoreDNS's flags and Corefile",
    load: () => import('./dns.ts'),
    commands: [
      {
        name: 'check',
        summary: 'what is wrong with a Corefile',
        load: () => import('./dns-check.ts'),
      },
      {
        name: 'convert',
        summary: "kube-dns's ConfigMap as a Corefile",
        load: () => import('./dns-convert.ts'),
      },
      {
        name: 'query',
        summary: 'ask for a name as a pod does',
        load: () => import('./dns-query.ts'),
      },
      {
        name: 'explain',
        summary: "how this node's DNS answers a name, and why",
        load: () => import('./dns-explain.ts'),
      },
      {
        name: 'top',
        summary: 'names asked for most of late, and who asks most',
        load: () => import('./dns-top.ts'),
      },
      {
        name: 'cache',
        summary: 'what the caches hold',
        load: () => import('./dns-cache.ts'),
      },
    ],
  },
  {
    name: 'cni',
    summary: 'answer a call of the CNI protocol; install the plugins',
    load: () => import('./cni.ts'),
    commands: [
      {
        name: 'list',
        summary: 'the interfaces of pods',
        load: () => import('./cni-list.ts'),
      },
      {
        name: 'leases',
        summary: 'addresses that host-local has handed out',
        load: () => import('./cni-leases.ts'),
      },
      {
        name: 'gc',
        summary: 'remove what is left of containers that have gone',
        load: () => import('./cni-gc.ts'),
      },
      {
        name: 'install',
        summary: 'write executables and configuration for a container runtime',
        load: () => import('./cni-install.ts'),
      },
      {
        name: 'uninstall',
        summary: 'remove what install wrote',
        load: () => import('./cni-uninstall.ts'),
      },
    ],
  },
  {
    name: 'status',
    summary: 'how this node does, part by part',
    load: () => import('./status.ts'),
  },
  {
    name: 'service',
    summary: 'the Services as this node serves them',
    commands: [
      {
        name: 'list',
        summary: 'Services and how many endpoints are ready',
        load: () => import('./service-list.ts'),
      },
      {
        name: 'show',
        summary: 'one Service with its endpoints',
        load: () => import('./service-show.ts'),
      },
      {
        name: 'counters',
        summary: 'connections, packets and bytes of each port',
        load: () => import('./service-counters.ts'),
      },
    ],
  },
  {
    name: 'routes',
    summary: 'how packets get to the pods of other nodes',
    load: () => import('./routes.ts'),
  },
  {
    name: 'diff',
    summary: 'in what the kernel differs from what the agent should have written',
    load: () => import('./diff.ts'),
  },
  {
    name: 'cleanup',
    summary: 'remove everything that was left on this node',
    load: () => import('./cleanup.ts'),
  },
  {
    name: 'resolvconf',
    summary: "a pod's resolv.conf under its dnsPolicy, and why",
    load: () => import('./resolvconf.ts'),
  },
  {
    name: 'why',
    summary: 'why a Service, a name or an address does not work from here',
    load: () => import('./why.ts'),
  },
  {
    name: 'check',
    summary: 'what is wrong with configuration files',
    load: () => import('./check.ts'),
  },
  {
    name: 'doctor',
    summary: 'what on this node is in the way, and what mends it',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'bundle',
    summary: 'an archive of all that helps to understand this node, without secrets',
    load: () => import('./bundle.ts'),
  },
  {
    name: 'completion',
    summary: 'what a shell needs to complete our commands and options',
    load: () => import('./completion.ts'),
  },
  { name: 'version', summary: 'the version', load: () => import('./version.ts') },
]

export type FoundCommand = {
  readonly entry: CommandEntry
  /** The words that named it. */
  readonly path: readonly string[]
  /** What follows them. */
  readonly args: readonly string[]
}

/** The command that the first words name, as deep as they do; undefined when the first names none. */
export function findCommand(
  words: readonly string[],
  among: readonly CommandEntry[] = commands,
): FoundCommand | undefined {
  const [name, ...args] = words
  const entry = among.find(each => each.name === name)
  if (entry === undefined || name === undefined) return undefined
  const deeper = findCommand(args, entry.commands ?? [])
  if (deeper === undefined) return { entry, path: [name], args }
  return { ...deeper, path: [name, ...deeper.path] }
}

/** Every command that can be run, with the words that name it. */
export const allCommands = (
  among: readonly CommandEntry[] = commands,
): readonly { readonly entry: CommandEntry; readonly path: readonly string[] }[] =>
  among.flatMap(entry => [
    { entry, path: [entry.name] },
    ...allCommands(entry.commands ?? []).map(({ entry: inner, path }) => ({
      entry: inner,
      path: [entry.name, ...path],
    })),
  ])
