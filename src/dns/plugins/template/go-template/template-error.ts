import { NodeplaneError } from '#runtime/error.ts'

/** A template cannot be read, or fails with the values of a query. */
export class TemplateError extends NodeplaneError {
  readonly code = 'ERR_DNS_TEMPLATE'
}
