import type { Readable, Writable } from 'node:stream'
import { Command } from 'commander'
import { serveConfigured } from '#cni/main.ts'
import { version } from '#runtime/version.ts'
import { type CommandIo, type CommandModule, runCommand } from './command-line.ts'

/** Commands below `cni`, loaded when they are called. */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  install: () => import('./cni-install.ts'),
  uninstall: () => import('./cni-uninstall.ts'),
}

/** `nodeplane cni`: a CNI call on environment and stdin; the plugin is the configuration's `type`. */
export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = '', ...rest] = args
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load !== undefined) return (await load()).run(rest, io)
  return runCommand(command(), args, io, () =>
    serveConfigured(version, {
      env: io.env,
      readStdin: () => readAll(io.stdin),
      writeStdout: text => writeAll(io.stdout, text),
      writeStderr: text => io.stderr.write(text),
      signal: io.signal,
    }),
  )
}

const command = (): Command =>
  new Command('nodeplane cni')
    .description(
      'Answers one call of the CNI protocol: CNI_COMMAND and its kin in the environment, the configuration on stdin. ' +
        'Called by the name of a plugin (dist/cni/…) it is that plugin; called like this, the one that "type" names.',
    )
    .addHelpText(
      'after',
      '\nCommands:\n  install    write executables and configuration for a container runtime\n  uninstall  remove what install wrote',
    )
    .allowExcessArguments(false)

async function readAll(stdin: Readable & { readonly isTTY?: boolean }): Promise<Uint8Array> {
  // Somebody types the call by hand: do not wait for a configuration.
  if (stdin.isTTY) return new Uint8Array()
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const writeAll = (stdout: Writable, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    stdout.once('error', reject)
    stdout.write(text, error => (error ? reject(error) : resolve()))
  })
