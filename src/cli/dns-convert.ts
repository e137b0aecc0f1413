import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { parseKubeDns, plainDomain } from '#dns/convert/kube-dns.ts'
import { renderCorefile } from '#dns/convert/render.ts'
import { ConfigError, describeError, formatProblem } from '#runtime/error.ts'
import { type CommandIo, EXIT_OK, runCommand, withExamples } from './command-line.ts'

type Options = { readonly clusterDomain: string }

/** `nodeplane dns convert`: kube-dns's ConfigMap as a Corefile. */
export const run = (args: readonly string[], io: CommandIo): Promise<number> =>
  runCommand<Options>(createCommand(), args, io, async ({ clusterDomain }, [file = 'stdin']) => {
    const domain = plainDomain(clusterDomain)
    if (domain === undefined) {
      const message = `'${clusterDomain}' is not a domain`
      throw new ConfigError([{ field: '--cluster-domain', message }])
    }
    const config = parseKubeDns(await textOf(file, io), file)
    for (const warning of config.warnings) {
      io.stderr.write(`nodeplane: warning: ${formatProblem(warning)}\n`)
    }
    io.stdout.write(renderCorefile({ ...config, clusterDomain: domain }))
    return EXIT_OK
  })

export const createCommand = (): Command =>
  withExamples(
    new Command('nodeplane dns convert')
      .description("Prints the Corefile that does what kube-dns's ConfigMap says.")
      .argument('[file]', "the ConfigMap as YAML or JSON; 'stdin' reads standard input", 'stdin')
      .option('--cluster-domain <domain>', "the cluster's domain", 'cluster.local'),
    [
      'kubectl -n kube-system get configmap kube-dns -o yaml | nodeplane dns convert > Corefile',
      'nodeplane dns convert kube-dns.yaml --cluster-domain example.org',
    ],
  )

async function textOf(file: string, { stdin }: CommandIo): Promise<string> {
  if (file === 'stdin') return await text(stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const message = `cannot be read: ${describeError(cause)}`
    throw new ConfigError([{ file, message }], { cause })
  }
}
