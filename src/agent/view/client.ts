import { request } from 'node:http'
import { errnoCode, NodeplaneError } from '#runtime/error.ts'

/** Where the agent tells about its node unless its configuration says otherwise. */
export const DEFAULT_AGENT_SOCKET = '/run/nodeplane/agent.sock'

const TIMEOUT_MS = 10_000
/** A cluster of ten thousand Services is some megabytes. */
const MAX_BYTES = 256 * 1024 * 1024

/** The agent of this node does not answer. */
export class AgentUnreachableError extends NodeplaneError {
  readonly code = 'ERR_AGENT_UNREACHABLE'
}

/**
 * Asks the agent of this node for one of its views.
 * @param path with query, under `/api/v1/`: `node`, `services` …
 * @returns undefined when there is no such thing.
 * @throws {AgentUnreachableError} with what to do.
 */
export const getView = <T>(socket: string, path: string): Promise<T | undefined> =>
  ask<T>(socket, path, 'GET')

/** Has the agent of this node do something, and gives what it tells of it. As {@link getView}. */
export const postTo = <T>(socket: string, path: string): Promise<T | undefined> =>
  ask<T>(socket, path, 'POST')

type Method = 'GET' | 'POST'

async function ask<T>(socket: string, path: string, method: Method): Promise<T | undefined> {
  try {
    const { status, body } = await fetchFrom(socket, `/api/v1/${path}`, method)
    if (status === 404) return undefined
    if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 200).trim()}`)
    return JSON.parse(body) as T
  } catch (cause) {
    throw new AgentUnreachableError(`the agent at ${socket} does not answer${fixFor(cause)}`, {
      cause,
    })
  }
}

function fixFor(cause: unknown): string {
  const code = errnoCode(cause)
  if (code === 'EACCES') return ': only root may ask it'
  const isAbsent = code === 'ENOENT' || code === 'ECONNREFUSED'
  return isAbsent ? ': is nodeplane agent running? --socket names another one' : ''
}

function fetchFrom(
  socketPath: string,
  path: string,
  method: Method,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, timeout: TIMEOUT_MS }, response => {
      const chunks: Buffer[] = []
      let octets = 0
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets > MAX_BYTES) asked.destroy(new Error(`answer of over ${MAX_BYTES} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
      )
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)))
    asked.on('error', reject)
    asked.end()
  })
}
