import { NodeplaneError } from '#runtime/error.ts'

/** How a request to the API server failed. */
export type ApiFailure =
  /** The server answered with another status than 2xx, or sent one as an event of a watch. */
  | 'status'
  /** No answer, or the connection broke. */
  | 'connection'
  /** Connected, but nothing came for too long. */
  | 'silence'
  /** What came is not what the API sends. */
  | 'garbage'

export type ApiErrorDetails = ErrorOptions & {
  /** HTTP status, or the `code` of a Status object. */
  readonly status?: number | undefined
  /** How long the server asks to wait (Retry-After). */
  readonly retryAfterMs?: number | undefined
}

/** A request to the API server that failed, or credentials for it that could not be had. */
export class ApiError extends NodeplaneError {
  readonly code = 'ERR_API'
  readonly failure: ApiFailure
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  constructor(failure: ApiFailure, message: string, details: ApiErrorDetails = {}) {
    super(message, details)
    this.failure = failure
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
  }
}

/** Is the resource version, or the continue token, older than what the server remembers (410 Gone)? */
export const isExpired = (error: unknown): boolean =>
  error instanceof ApiError && error.status === 410

/** Did the connection stand, but bring nothing for longer than a live server keeps silent? */
export const isSilence = (error: unknown): boolean =>
  error instanceof ApiError && error.failure === 'silence'

/**
 * Makes sense of what the server sent.
 * @throws {ApiError} that `read` throws, or garbage in place of anything else it throws.
 */
export function sense<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw cause instanceof ApiError ? cause : new ApiError('garbage', `read ${what}`, { cause })
  }
}

/** @throws {ApiError} the text is not JSON. */
export const parseJson = (what: string, text: string): unknown =>
  sense(what, () => JSON.parse(text) as unknown)
