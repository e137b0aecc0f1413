import { describeError, NodeplaneError } from '#runtime/error.ts'

/**
 * Error codes of the CNI specification (1.1.0, section "Error"). 0–99 belong to the specification,
 * from 100 on they are the plugin's own.
 */
export const cniCodes = {
  /** The configuration's version is not supported, or too old for the verb. */
  incompatibleVersion: 1,
  /** A field is not supported; the message names key and value. */
  unsupportedField: 2,
  /** The container is unknown: the runtime need not clean up. */
  unknownContainer: 3,
  /** A CNI_ variable is missing or malformed. */
  invalidEnvironment: 4,
  /** stdin or the store could not be read or written. */
  ioFailure: 5,
  /** The configuration is not JSON of the right types. */
  decodingFailure: 6,
  /** A field's value makes no sense. */
  invalidConfig: 7,
  /** The network namespace does not exist, is not one, or is the host's. */
  invalidNamespace: 8,
  /** Exhausted or busy: the same call may succeed later. */
  tryAgainLater: 11,
  /** STATUS: the plugin cannot serve ADD. */
  notAvailable: 50,
  /** STATUS: as 50, and existing containers may have limited connectivity. */
  notAvailableLimited: 51,
  /** CHECK: the attachment is not as its result says. The specification has no code; from 100 on they are free. */
  checkFailed: 100,
  /** A failure that has no code of its own, for example a request the kernel refused. */
  internal: 999,
} as const

/** A failure as the CNI protocol reports it: a numeric code, one line of text, and perhaps details. */
export class CniError extends NodeplaneError {
  readonly code = 'ERR_CNI'
  /** One of {@link cniCodes}, or what a delegate answered. */
  readonly cniCode: number
  /** More than the message says, or undefined. */
  readonly details: string | undefined
  constructor(cniCode: number, message: string, options?: ErrorOptions & { details?: string }) {
    super(message, options)
    this.cniCode = cniCode
    this.details = options?.details
  }
}

/** The error object that goes to stdout (CNI specification 1.1.0, section "Error"). */
export type CniErrorJson = {
  readonly cniVersion: string
  readonly code: number
  readonly msg: string
  readonly details?: string
}

/**
 * The error object for anything that was thrown. What is not a {@link CniError} has code 999.
 * @param cniVersion that of the configuration; the reference plugins leave it out.
 */
export function renderError(error: unknown, cniVersion: string): CniErrorJson {
  if (!(error instanceof CniError)) {
    return { cniVersion, code: cniCodes.internal, msg: oneLine(describeError(error)) }
  }
  const { cniCode: code, details } = error
  const msg = oneLine(describeError(error))
  return { cniVersion, code, msg, ...(details === undefined ? {} : { details }) }
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' | ')
