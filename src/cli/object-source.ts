import type { Source, SourceOptions } from '#cluster/source.ts'
import { ConfigError } from '#runtime/error.ts'

/** Where a command's objects come from, as its user says it. */
export type ObjectSource = {
  /** A directory. */
  readonly manifests?: string | undefined
  /** A path; with neither this nor `manifests`, the service account of the pod we run in. */
  readonly kubeconfig?: string | undefined
  /** URL that replaces the server's of the kubeconfig. */
  readonly master?: string | undefined
  readonly env: Readonly<NodeJS.ProcessEnv>
}

/**
 * Opens a directory of manifests or the API server; only the one in use is loaded.
 * @throws {ConfigError} the connection cannot be made sense of.
 */
export async function openObjectSource(
  { manifests, kubeconfig, master, env }: ObjectSource,
  options: SourceOptions,
): Promise<Source> {
  if (manifests === undefined) {
    const { apiServerSource } = await import('#cluster/api/source.ts')
    return apiServerSource({ kubeconfig, endpoint: master, env }, options)
  }
  if (kubeconfig !== undefined || master !== undefined) {
    const message = 'excludes --kubeconfig and --master: objects come from one place'
    throw new ConfigError([{ field: '--manifests', message }])
  }
  const { manifestSource } = await import('#cluster/manifests/source.ts')
  return manifestSource(manifests, options)
}
