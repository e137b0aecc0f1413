import { ConfigError } from '#runtime/error.ts'
import type { ApiConnection } from './api/server.ts'
import type { ApiSourceOptions } from './api/source.ts'
import type { Source } from './source.ts'

/** Where objects come from: a directory of manifests if one is named, else an API server. */
export type Connection = ApiConnection & {
  /** Path of a directory. */
  readonly manifests?: string | undefined
}

/**
 * Opens the source that the user's settings name. Only that one's code is loaded: YAML is nothing for those who are in a
 * pod, HTTP nothing for those who have files.
 * @throws {ConfigError} the settings contradict each other or cannot be made sense of.
 */
export async function openSource(
  connection: Connection,
  options: ApiSourceOptions,
): Promise<Source> {
  const { manifests, kubeconfig, endpoint } = connection
  if (manifests === undefined) {
    const { apiServerSource } = await import('./api/source.ts')
    return apiServerSource(connection, options)
  }
  if (kubeconfig !== undefined || endpoint !== undefined) {
    const other = kubeconfig === undefined ? 'endpoint' : 'kubeconfig'
    const message = `'${manifests}' contradicts ${other}: objects come from one place`
    throw new ConfigError([{ field: 'manifests', message }])
  }
  const { manifestSource } = await import('./manifests/source.ts')
  return manifestSource(manifests, options)
}
