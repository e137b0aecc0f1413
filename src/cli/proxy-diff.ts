import { Command } from 'commander'
import { type CommandIo, withExamples } from './command-line.ts'
import { runProxyCommand, withProxyOptions } from './proxy.ts'

/** `nodeplane proxy diff`: in what the kernel differs from what should be there; it takes the options of `nodeplane proxy`. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runProxyCommand(createCommand(), args, { io, isDiff: true })

export const createCommand = (): Command =>
  withExamples(
    withProxyOptions(
      new Command('nodeplane proxy diff').description(
        "Tells in what the kernel's rules differ from what should be there.",
      ),
    ),
    [
      'nodeplane proxy diff --config /var/lib/kube-proxy/config.conf',
      'nodeplane proxy diff --manifests ./manifests --hostname-override node-a',
    ],
  )
