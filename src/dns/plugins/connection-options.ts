import { resolve } from 'node:path'
import type { Directive } from '../corefile/directive.ts'
import type { DirectiveProblems } from '../corefile/problem.ts'
import type { ClusterConnection } from '../plugin.ts'

/** What an option is read into, and with. */
export type ConnectionReading = {
  readonly draft: { connection: ClusterConnection }
  readonly problems: DirectiveProblems
  /** Relative paths start here. */
  readonly directory: string
}

/** The options that say where objects come from. */
export const connectionReaders: Readonly<
  Record<string, (option: Directive, reading: ConnectionReading) => void>
> = {
  manifests(option, { draft, problems, directory }) {
    const [folder] = option.args
    if (folder === undefined || option.args.length > 1) problems.add(option, 'needs one folder')
    else draft.connection = { ...draft.connection, manifests: resolve(directory, folder) }
  },
  kubeconfig(option, { draft, problems, directory }) {
    const [file, context] = option.args
    if (file === undefined || option.args.length > 2) {
      problems.add(option, 'needs a file and may name a context')
      return
    }
    draft.connection = { ...draft.connection, kubeconfig: resolve(directory, file), context }
  },
  endpoint(option, { draft, problems }) {
    if (option.args.length !== 1 || !URL.canParse(option.args[0] ?? '')) {
      problems.add(option, 'needs one URL, e.g. https://10.0.0.1:6443')
      return
    }
    draft.connection = { ...draft.connection, endpoint: option.args[0] }
  },
  tls(option, { draft, problems, directory }) {
    if (option.args.length !== 3) {
      problems.add(option, `takes certificate, key and CA, not ${option.args.length} arguments`)
      return
    }
    const [cert = '', key = '', ca = ''] = option.args.map(file => resolve(directory, file))
    draft.connection = { ...draft.connection, tls: { cert, key, ca } }
  },
}

/** Do the options of a connection go together? */
export function checkConnection(
  directive: Directive,
  { manifests, kubeconfig, endpoint, tls }: ClusterConnection,
  problems: DirectiveProblems,
): void {
  const ways = Object.entries({ manifests, kubeconfig, endpoint }).filter(([, value]) => value)
  if (ways.length > 1) {
    problems.add(directive, `has ${ways.map(([name]) => name).join(' and ')}: choose one`)
  }
  if (tls !== undefined && endpoint === undefined) {
    problems.add(directive, 'has tls without endpoint: add the URL that it is for')
  }
}
