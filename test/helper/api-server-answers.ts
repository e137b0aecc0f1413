import type * as http from 'node:http'

/** What a test does to a request instead of the usual answer. */
export type Fault =
  /** A refusal with a Status object. */
  | {
      readonly status: number
      readonly reason?: string
      readonly headers?: http.OutgoingHttpHeaders
    }
  /** The connection is closed before the answer, or after so many bytes of it. */
  | { readonly dropAfterBytes: number }
  /** The answer stops after so many bytes, and the connection stays. */
  | { readonly stallAfterBytes: number }
  /** This text instead of the answer's body. */
  | { readonly body: string }
  /** Called first; then the usual answer. */
  | { readonly before: () => void }
  /** The body in pieces of so many bytes, each in a turn of its own. */
  | { readonly trickleBytes: number }

const listParameters = ['labelSelector', 'fieldSelector', 'limit', 'continue']
const watchParameters = [
  'labelSelector',
  'fieldSelector',
  'watch',
  'allowWatchBookmarks',
  'resourceVersion',
  'timeoutSeconds',
]

/** What a real API server would find wrong with the parameters, or undefined. */
export function queryProblem(
  verb: 'list' | 'watch',
  query: Readonly<Record<string, string>>,
): string | undefined {
  const known = verb === 'watch' ? watchParameters : listParameters
  const unknown = Object.keys(query).find(name => !known.includes(name))
  if (unknown !== undefined) return `${verb} does not take ${unknown}`
  if (verb === 'list') {
    return query['limit'] === undefined || /^[1-9]\d*$/.test(query['limit'])
      ? undefined
      : 'limit is no number'
  }
  if (!/^[1-9]\d*$/.test(query['resourceVersion'] ?? '')) return 'watch without resourceVersion'
  return /^[1-9]\d*$/.test(query['timeoutSeconds'] ?? '') ? undefined : 'watch without timeout'
}

/** What a refusal has as its body. */
export const statusObject = (code: number, reason: string, message = reason) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
})

/** Answers with a Status object. */
export function refuse(
  response: http.ServerResponse,
  code: number,
  reason: string,
  message?: string,
  headers: http.OutgoingHttpHeaders = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(statusObject(code, reason, message)))
}

/** Answers with this body, or does to it what the fault says. */
export async function send(
  response: http.ServerResponse,
  body: string,
  fault: Fault | undefined,
): Promise<void> {
  if (fault === undefined || 'before' in fault) {
    response.end(body)
  } else if ('body' in fault) {
    response.end(fault.body)
  } else if ('trickleBytes' in fault) {
    const { trickleBytes } = fault
    for (let at = 0; at < body.length; at += trickleBytes) {
      response.write(body.slice(at, at + trickleBytes))
      await new Promise(resolve => setImmediate(resolve))
    }
    response.end()
  } else if ('stallAfterBytes' in fault) {
    response.flushHeaders()
    if (fault.stallAfterBytes > 0) response.write(body.slice(0, fault.stallAfterBytes))
  } else if ('dropAfterBytes' in fault) {
    if (fault.dropAfterBytes === 0) response.destroy()
    else response.write(body.slice(0, fault.dropAfterBytes), () => response.destroy())
  }
}
