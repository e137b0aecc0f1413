import { errnoCode, isAbort, NodeplaneError } from '#runtime/error.ts'

/** The rcodes that a plugin may leave to the server to write (spec of CoreDNS's plugin.ClientWrite). */
export type UnansweredRcode = 'SERVFAIL' | 'REFUSED' | 'FORMERR' | 'NOTIMP'

/** No plugin could answer: the server writes a bare answer of `rcode`, `errors` logs the message. */
export class Unanswered extends NodeplaneError {
  readonly code = 'ERR_DNS_UNANSWERED'
  readonly rcode: UnansweredRcode
  constructor(rcode: UnansweredRcode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.rcode = rcode
  }
}

/** The rcode of the answer when the chain threw `error`. */
export const rcodeOfError = (error: unknown): UnansweredRcode =>
  error instanceof Unanswered ? error.rcode : 'SERVFAIL'

/** Is this error a fault of the program and not of a network, an upstream or a query? CoreDNS calls it a panic. */
export const isCrash = (error: unknown): boolean =>
  !(error instanceof NodeplaneError || isAbort(error) || errnoCode(error) !== undefined)
