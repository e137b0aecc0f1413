import type * as http from 'node:http'
import type { ApiObject } from './api-history.ts'
import { refuse } from './api-server-answers.ts'

export const NODE_PATH = /^\/api\/v1\/nodes\/([^/]+)$/

/** How the one Node of a request is read and written. */
export type NodeAccess = {
  readonly get: () => ApiObject | undefined
  readonly set: (node: ApiObject) => void
}

/** GET, and merge patches (RFC 7396) of `spec` that name the version they are of. */
export async function answerNode(
  { get, set }: NodeAccess,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const body = Buffer.concat((await Array.fromAsync(request)) as Buffer[]).toString()
  const node = get()
  if (node === undefined) return refuse(response, 404, 'NotFound')
  if (request.method === 'PATCH') {
    if (request.headers['content-type'] !== 'application/merge-patch+json') {
      return refuse(response, 415, 'UnsupportedMediaType')
    }
    const { metadata, spec } = JSON.parse(body) as ApiObject
    if (metadata['resourceVersion'] !== node.metadata['resourceVersion']) {
      return refuse(response, 409, 'Conflict')
    }
    set({ ...node, spec: { ...(node['spec'] as object), ...(spec as object) } })
  } else if (request.method !== 'GET') return refuse(response, 405, 'MethodNotAllowed')
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(get()))
}
