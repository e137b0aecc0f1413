import { NodeplaneError } from '#runtime/error.ts'
import type { Labels } from './objects.ts'

/** A selector that is not in the grammar, or names a field that cannot be selected by. */
export class SelectorError extends NodeplaneError {
  readonly code = 'ERR_SELECTOR'
  constructor(selector: string, why: string) {
    super(`selector ${JSON.stringify(selector)}: ${why}`)
  }
}

/** One condition on one label or field. `exists` and `absent` have no values; `greater` and `less` have one. */
export type Requirement = {
  readonly key: string
  readonly operator: 'in' | 'not in' | 'exists' | 'absent' | 'greater' | 'less'
  readonly values: readonly string[]
}

/** All requirements must hold; none selects everything. */
export type Selector = readonly Requirement[]

/** A label key: an optional DNS subdomain as prefix, and a name of up to 63 characters. */
const labelKey =
  /^(?=[^/]{1,253}\/|[^/]+$)([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
/** A label value: empty, or up to 63 characters. */
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/
/** `key in (a,b)`, `key notin (a,b)`. */
const setForm = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/
/** `key=value`, `==`, `!=`, `>`, `<`; the value may be empty. */
const comparison = /^([^\s!=<>(),]+)\s*(==|=|!=|>|<)\s*([^\s!=<>(),]*)$/
const bareKey = /^(!?)\s*([^\s!=<>(),]+)$/

/**
 * Reads a label selector in the API's grammar: equality (`a=b`, `a==b`, `a!=b`), sets (`a in (b,c)`, `a notin (b)`),
 * existence (`a`, `!a`) and numbers (`a>1`, `a<2`), joined by commas. Empty text selects everything.
 * (Kubernetes, "Labels and selectors".)
 * @throws {SelectorError}
 */
export function parseLabelSelector(text: string): Selector {
  if (text.trim() === '') return []
  // A comma inside parentheses separates values.
  return text.split(/,(?![^(]*\))/).map(part => labelRequirement(part.trim(), text))
}

function labelRequirement(part: string, selector: string): Requirement {
  const requirement = parseRequirement(part, selector)
  if (!labelKey.test(requirement.key)) {
    throw new SelectorError(selector, `${JSON.stringify(requirement.key)} is not a label key`)
  }
  const invalid = requirement.values.find(value => !labelValue.test(value))
  if (invalid !== undefined) {
    throw new SelectorError(selector, `${JSON.stringify(invalid)} is not a label value`)
  }
  return requirement
}

function parseRequirement(part: string, selector: string): Requirement {
  const [, setKey = '', word, list = ''] = setForm.exec(part) ?? []
  if (word !== undefined) {
    const values = list.split(',').map(value => value.trim())
    return { key: setKey, operator: word === 'in' ? 'in' : 'not in', values }
  }
  const [, key = '', sign, value = ''] = comparison.exec(part) ?? []
  if (sign === '>' || sign === '<') {
    if (!isWholeNumber(value)) throw new SelectorError(selector, `${part} compares no whole number`)
    return { key, operator: sign === '>' ? 'greater' : 'less', values: [value] }
  }
  if (sign !== undefined) {
    return { key, operator: sign === '!=' ? 'not in' : 'in', values: [value] }
  }
  const [, not, bare] = bareKey.exec(part) ?? []
  if (bare === undefined) {
    throw new SelectorError(selector, `${JSON.stringify(part)} is not a requirement`)
  }
  return { key: bare, operator: not === '' ? 'exists' : 'absent', values: [] }
}

/**
 * Reads a field selector: `a=b`, `a==b` and `a!=b`, joined by commas; a backslash before `,`, `=` or itself takes away
 * its meaning.
 * @throws {SelectorError}
 */
export function parseFieldSelector(text: string): Selector {
  if (text.trim() === '') return []
  return [...text.matchAll(/((?:\\.|[^\\,])*)(?:,|$)/g)]
    .map(match => match[1] ?? '')
    .filter(part => part !== '')
    .map(part => {
      const [, key, sign, value = ''] =
        /^([^=!\\]+?)(==|=|!=)((?:\\[,=\\]|[^\\,=])*)$/.exec(part) ?? []
      if (key === undefined) {
        throw new SelectorError(text, `${JSON.stringify(part)} is not FIELD=VALUE or FIELD!=VALUE`)
      }
      const values = [value.replace(/\\(.)/g, '$1')]
      return { key: key.trim(), operator: sign === '!=' ? 'not in' : 'in', values }
    })
}

/** Do these labels satisfy the selector? As in the API, `a!=b` and `a notin (b)` also hold where there is no `a`. */
export function selectorMatches(selector: Selector, labels: Labels): boolean {
  return selector.every(requirement => {
    const { key } = requirement
    return holds(requirement, Object.hasOwn(labels, key) ? labels[key] : undefined)
  })
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'in':
      return value !== undefined && values.includes(value)
    case 'not in':
      return value === undefined || !values.includes(value)
    case 'greater':
      return value !== undefined && isWholeNumber(value) && BigInt(value) > BigInt(values[0] ?? 0)
    case 'less':
      return value !== undefined && isWholeNumber(value) && BigInt(value) < BigInt(values[0] ?? 0)
  }
}

const isWholeNumber = (text: string) => /^[+-]?[0-9]{1,19}$/.test(text)
