import { NodeplaneError } from '#runtime/error.ts'

/** An expression cannot be read, or its values do not fit its operators. */
export class ExpressionError extends NodeplaneError {
  readonly code = 'ERR_DNS_EXPRESSION'
}
