#!/usr/bin/env node
import { errnoCode } from '#runtime/error.ts'
import { version } from '#runtime/version.ts'
import {
  type CommandIo,
  type CommandModule,
  EXIT_OK,
  EXIT_USAGE,
  reportFailure,
} from './cli/command-line.ts'

/** Commands are loaded when they are called: a CNI plugin must not pay for the DNS server. */
const commands: Readonly<Record<string, { summary: string; load: () => Promise<CommandModule> }>> =
  {
    agent: {
      summary: 'the service proxy, DNS and CNI of a node in one process',
      load: () => import('./cli/agent.ts'),
    },
    proxy: {
      summary: "program Services into the kernel, with kube-proxy's flags and file",
      load: () => import('./cli/proxy.ts'),
    },
    dns: {
      summary: "answer the cluster's names, with CoreDNS's flags and Corefile",
      load: () => import('./cli/dns.ts'),
    },
    cni: {
      summary: 'answer a call of the CNI protocol; install the plugins',
      load: () => import('./cli/cni.ts'),
    },
    cleanup: {
      summary: 'remove everything that was left on this node',
      load: () => import('./cli/cleanup.ts'),
    },
    resolvconf: {
      summary: "a pod's resolv.conf under its dnsPolicy, and why",
      load: () => import('./cli/resolvconf.ts'),
    },
  }

const usage = (): string =>
  [
    'Usage: nodeplane COMMAND [OPTIONS]',
    '',
    'Kubernetes node networking and DNS in one process.',
    '',
    'Commands:',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`),
    '',
    'nodeplane COMMAND --help tells the options of a command.',
    '',
  ].join('\n')

/** Runs the command that `args` names; resolves with the exit code. */
export async function main(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.stdout.write(usage())
    return name === undefined ? EXIT_USAGE : EXIT_OK
  }
  if (name === '--version' || name === 'version') {
    io.stdout.write(`nodeplane ${version}\n`)
    return EXIT_OK
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    io.stderr.write(`nodeplane: no command '${name}'; nodeplane --help lists them\n`)
    return EXIT_USAGE
  }
  try {
    return await (await command.load()).run(rest, io)
  } catch (error) {
    return reportFailure(error, io)
  }
}

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    controller.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return controller.signal
}

/**
 * Who reads our output may stop to (`nodeplane proxy --help | head`). An answer ends with that, quietly; a server goes on
 * without its lines, for a node must not lose its network with the reader of a log.
 */
function ignoreBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', error => {
    if (errnoCode(error) !== 'EPIPE') throw error
  })
}

if (import.meta.main) {
  const { stdin, stdout, stderr, env, argv } = process
  for (const stream of [stdout, stderr]) ignoreBrokenPipe(stream)
  process.exitCode = await main(argv.slice(2), { stdin, stdout, stderr, env, signal: stopSignal() })
}
