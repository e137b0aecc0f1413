import { TemplateError } from './template-error.ts'

/** What templates compute with. A record is a Go map or struct, a function one of its methods. */
export type TemplateValue =
  | string
  | number
  | boolean
  | undefined
  | readonly TemplateValue[]
  | { readonly [field: string]: TemplateValue }
  | ((...args: readonly TemplateValue[]) => TemplateValue)

/** Go's notion of what counts as true: not the zero value, not empty. */
export function isTruthy(value: TemplateValue): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object') return Object.keys(value).length > 0
  return Boolean(value)
}

/** How a value is written into the text. */
export function printed(value: TemplateValue): string {
  if (value === undefined) return '<no value>'
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`
  if (typeof value === 'object' || typeof value === 'function') {
    throw new TemplateError('this value has no text; name one of its fields')
  }
  return String(value)
}

const numberOf = (value: TemplateValue, what: string): number => {
  if (typeof value === 'number') return value
  throw new TemplateError(`${what} needs a number`)
}

/** Go's index: of arrays by number, of maps by key; maps of texts give nothing for what they lack. */
function index(value: TemplateValue, ...keys: readonly TemplateValue[]): TemplateValue {
  return keys.reduce<TemplateValue>((inner, key) => {
    if (Array.isArray(inner)) {
      const at = numberOf(key, 'index')
      if (at < 0 || at >= inner.length) throw new TemplateError(`index out of range: ${at}`)
      return inner[at]
    }
    if (typeof inner === 'object' && !Array.isArray(inner))
      return fieldOf(inner as never, printed(key)) ?? ''
    throw new TemplateError('index of what has no parts')
  }, value)
}

/** Own fields only: a query must not reach what objects inherit. */
export const fieldOf = (
  record: { readonly [field: string]: TemplateValue },
  name: string,
): TemplateValue => (Object.hasOwn(record, name) ? record[name] : undefined)

/** Go's strconv.ParseUint, as CoreDNS offers it by the name parseInt. */
function parseUint(text: TemplateValue, base: TemplateValue, bits: TemplateValue): TemplateValue {
  const radix = numberOf(base, 'the base of parseInt')
  const size = numberOf(bits, 'the size of parseInt') || 64
  const digits = printed(text).toLowerCase()
  const isNumber = radix >= 2 && radix <= 36 && /^[0-9a-z]{1,64}$/.test(digits)
  const values = Array.from(digits, digit => Number.parseInt(digit, 36))
  if (!isNumber || values.some(value => value >= radix)) {
    throw new TemplateError(`parseInt: '${digits}' is no number of base ${radix}`)
  }
  const value = values.reduce((sum, digit) => sum * radix + digit, 0)
  if (value >= 2 ** Math.min(size, 53))
    throw new TemplateError(`parseInt: ${value} is out of range`)
  return value
}

const compare =
  (holds: (a: number | string, b: number | string) => boolean) =>
  (a: TemplateValue, b: TemplateValue): boolean => {
    const areAlike = typeof a === typeof b && (typeof a === 'number' || typeof a === 'string')
    if (!areAlike) throw new TemplateError('only two numbers or two texts can be compared')
    return holds(a as string, b as string)
  }

function printf(format: TemplateValue, ...args: readonly TemplateValue[]): string {
  const rest = [...args]
  return printed(format).replace(
    /%(0?)(\d{0,3})([sdvxXq%])/g,
    (_, zero: string, width: string, verb: string) => {
      if (verb === '%') return '%'
      return formatted(verb, rest.shift()).padStart(Number(width), zero === '0' ? '0' : ' ')
    },
  )
}

function formatted(verb: string, value: TemplateValue): string {
  if (verb === 'q') return JSON.stringify(printed(value))
  if (verb !== 'x' && verb !== 'X') return printed(value)
  const hex =
    typeof value === 'number' ? value.toString(16) : Buffer.from(printed(value)).toString('hex')
  return verb === 'X' ? hex.toUpperCase() : hex
}

/** The functions of a template. `and` and `or` look at all their arguments. */
export const templateFunctions: Readonly<
  Record<string, (...args: readonly TemplateValue[]) => TemplateValue>
> = {
  index,
  parseInt: parseUint,
  len: value =>
    typeof value === 'string' || Array.isArray(value)
      ? value.length
      : Object.keys(value ?? {}).length,
  print: (...args) => args.map(printed).join(''),
  printf,
  eq: (first, ...others) => others.some(other => other === first),
  ne: (a, b) => a !== b,
  lt: compare((a, b) => a < b),
  le: compare((a, b) => a <= b),
  gt: compare((a, b) => a > b),
  ge: compare((a, b) => a >= b),
  and: (...args) => args.find(value => !isTruthy(value)) ?? args.at(-1),
  or: (...args) => args.find(isTruthy) ?? args.at(-1),
  not: value => !isTruthy(value),
}
