import { CniError, cniCodes } from './error.ts'

/**
 * Reads CNI_ARGS (`K=V;K2=V2`). Only plugins that define keys call this; the others ignore the variable.
 * @param known the keys the plugin defines, case-sensitive. Kubernetes runtimes add their own after `IgnoreUnknown=1`.
 * @throws {CniError} code 4: a part without exactly one `=`, or an unknown key without IgnoreUnknown.
 */
export function parseCniArgs(text: string, known: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  if (text === '') return values
  for (const part of text.split(';')) {
    const [key, value, ...more] = part.split('=')
    if (key === undefined || value === undefined || more.length > 0) {
      throw malformed(`'${part}' is not KEY=VALUE`)
    }
    values.set(key, value)
  }
  if (!ignoresUnknown(values.get('IgnoreUnknown'))) {
    const unknown = [...values.keys()].filter(
      key => key !== 'IgnoreUnknown' && !known.includes(key),
    )
    if (unknown.length > 0) throw malformed(`unknown args ${unknown.join(', ')}`)
  }
  return values
}

function ignoresUnknown(value: string | undefined): boolean {
  if (value === undefined || /^(0|false)$/i.test(value)) return false
  if (/^(1|true)$/i.test(value)) return true
  throw malformed(`IgnoreUnknown must be 0, 1, true or false, not '${value}'`)
}

const malformed = (why: string): CniError =>
  new CniError(cniCodes.invalidEnvironment, `CNI_ARGS: ${why}`)
