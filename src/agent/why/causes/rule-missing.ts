import type { Cause } from '../cause.ts'
import { few, portText } from '../describe.ts'

/** Somebody removed what the service proxy had put into the kernel, or the proxy does not run. */
export const ruleMissing: Cause = ({ rules, service }) => {
  if (rules === undefined || service === undefined || rules.missing.length === 0) return undefined
  return {
    cause: 'rule-missing',
    step: 'rule',
    message: `the kernel lacks rules of ${portText(service)}: ${few(rules.missing, 2)}`,
    fix: 'see that the service proxy runs (it puts them back), and what removed them: nodeplane proxy diff',
  }
}
