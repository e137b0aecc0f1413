import { NodeplaneError } from '#runtime/error.ts'

/** Octets that are not a DNS message, or a value that cannot become one. */
export class WireError extends NodeplaneError {
  readonly code = 'ERR_DNS_WIRE'
}
