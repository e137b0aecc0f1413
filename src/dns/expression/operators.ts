import { ExpressionError } from './expression-error.ts'

/** What expressions compute with. */
export type Value = string | number | boolean | undefined | readonly Value[]

const numbers =
  (compute: (a: number, b: number) => number) =>
  (a: Value, b: Value): Value => {
    if (typeof a === 'number' && typeof b === 'number') return compute(a, b)
    throw new ExpressionError('arithmetic needs numbers')
  }

const ordered =
  (compare: (a: number | string, b: number | string) => boolean) =>
  (a: Value, b: Value): Value => {
    if (typeof a === 'number' && typeof b === 'number') return compare(a, b)
    if (typeof a === 'string' && typeof b === 'string') return compare(a, b)
    throw new ExpressionError('only two numbers or two texts have an order')
  }

const texts =
  (compute: (a: string, b: string) => boolean) =>
  (a: Value, b: Value): Value =>
    typeof a === 'string' && typeof b === 'string' && compute(a, b)

/** Operators of two values; those that need not look at both are the parser's. */
export const binaryOperators: Readonly<Record<string, (a: Value, b: Value) => Value>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': ordered((a, b) => a < b),
  '<=': ordered((a, b) => a <= b),
  '>': ordered((a, b) => a > b),
  '>=': ordered((a, b) => a >= b),
  in: (a, b) => Array.isArray(b) && b.includes(a),
  contains: texts((a, b) => a.includes(b)),
  startsWith: texts((a, b) => a.startsWith(b)),
  endsWith: texts((a, b) => a.endsWith(b)),
  '+': (a, b) => (typeof a === 'string' && typeof b === 'string' ? a + b : add(a, b)),
  '-': numbers((a, b) => a - b),
  '*': numbers((a, b) => a * b),
  '/': numbers((a, b) => a / b),
  '%': numbers((a, b) => a % b),
}

const add = numbers((a, b) => a + b)
