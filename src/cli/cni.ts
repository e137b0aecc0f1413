import type { Readable, Writable } from 'node:stream'
import { Command } from 'commander'
import { serveConfigured } from '#cni/main.ts'
import { version } from '#runtime/version.ts'
import { type CommandIo, runCommand, withExamples } from './command-line.ts'

/** `nodeplane cni`: a CNI call on environment and stdin; the plugin is the configuration's `type`. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand(createCommand(), args, io, () =>
    serveConfigured(version, {
      env: io.env,
      readStdin: () => readAll(io.stdin),
      writeStdout: text => writeAll(io.stdout, text),
      writeStderr: text => io.stderr.write(text),
      signal: io.signal,
    }),
  )

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane cni')
      .description(
        'Answers one call of the CNI protocol: CNI_COMMAND and its kin in the environment, the configuration on stdin. ' +
          'Called by the name of a plugin (dist/cni/…) it is that plugin; called like this, the one that "type" names.',
      )
      .allowExcessArguments(false),
    [
      'CNI_COMMAND=VERSION nodeplane cni',
      'CNI_COMMAND=STATUS CNI_PATH=/opt/cni/bin nodeplane cni < bridge.conf',
    ],
  )

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
