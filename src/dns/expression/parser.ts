import { parseRegex } from '../regex.ts'
import { ExpressionError } from './expression-error.ts'
import { lexExpression, type Token } from './lexer.ts'
import { binaryOperators, type Value } from './operators.ts'

/** What functions and variables there are. */
export type Scope<Context> = {
  readonly functions: Readonly<
    Record<
      string,
      { readonly arity: number; call(context: Context, args: readonly Value[]): Value }
    >
  >
  /** Values of words that are no function. */
  readonly variables?: Readonly<Record<string, (context: Context) => Value>>
  /** Functions of the language that are left out, and why. */
  readonly refusals?: Readonly<Record<string, string>>
}

export type Expression<Context> = (context: Context) => Value

/** Operators from weak to strong; those of one row bind alike, from the left. */
const LEVELS: readonly (readonly string[])[] = [
  ['||', 'or'],
  ['&&', 'and'],
  ['==', '!=', '<', '<=', '>', '>=', 'in', 'matches', 'contains', 'startsWith', 'endsWith'],
  ['+', '-'],
  ['*', '/', '%'],
]

/** Parentheses in parentheses; more is no configuration. */
const MAX_DEPTH = 50

/**
 * Reads an expression in a part of the language of expr-lang.org, which CoreDNS uses: literals, arrays, `not in`, the operators
 * above, `!`, `not`, `-`, `c ? a : b`, and calls. Functions and variables must be in `scope`, and patterns of `matches` literal:
 * what is wrong is found here, not when a query comes.
 * @throws {ExpressionError}
 */
export function parseExpression<Context>(text: string, scope: Scope<Context>): Expression<Context> {
  const parser = new Parser(lexExpression(text), scope)
  return parser.parse()
}

class Parser<Context> {
  readonly #tokens: readonly Token[]
  readonly #scope: Scope<Context>
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[], scope: Scope<Context>) {
    this.#tokens = tokens
    this.#scope = scope
  }

  parse(): Expression<Context> {
    const expression = this.#choice()
    if (this.#next.kind !== 'end') this.#fail()
    return expression
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token
  }

  #take(...texts: readonly string[]): Token | undefined {
    const token = this.#next
    const isWanted = (token.kind === 'sign' || token.kind === 'word') && texts.includes(token.text)
    if (isWanted) this.#at++
    return isWanted ? token : undefined
  }

  #expect(text: string): void {
    if (this.#take(text) === undefined) this.#fail(`'${text}' was expected before `)
  }

  #fail(what = 'not understood: '): never {
    throw new ExpressionError(`${what}'${this.#next.text}'`)
  }

  #choice(): Expression<Context> {
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError('nested too deep')
    const condition = this.#binary(0)
    this.#depth--
    if (this.#take('?') === undefined) return condition
    const yes = this.#choice()
    this.#expect(':')
    const no = this.#choice()
    return context => (condition(context) === true ? yes(context) : no(context))
  }

  #binary(level: number): Expression<Context> {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#unary()
    let left = this.#binary(level + 1)
    for (;;) {
      const isNegated = operators.includes('in') && this.#take('not') !== undefined
      const operator = this.#take(...operators)?.text
      if (operator === undefined) {
        if (isNegated) this.#fail()
        return left
      }
      const joined =
        operator === 'matches' ? this.#matches(left) : this.#join(left, operator, level + 1)
      left = isNegated ? context => joined(context) !== true : joined
    }
  }

  #join(left: Expression<Context>, operator: string, level: number): Expression<Context> {
    const right = this.#binary(level)
    if (operator === '||' || operator === 'or') {
      return context => left(context) === true || right(context) === true
    }
    if (operator === '&&' || operator === 'and') {
      return context => left(context) === true && right(context) === true
    }
    const compute = binaryOperators[operator] ?? this.#fail()
    return context => compute(left(context), right(context))
  }

  #matches(left: Expression<Context>): Expression<Context> {
    const { kind, text } = this.#next
    if (kind !== 'string') this.#fail('the pattern of matches must be a literal, not ')
    this.#at++
    const pattern = parseRegex(text)
    if (typeof pattern === 'string') throw new ExpressionError(pattern)
    return context => pattern.test(String(left(context)))
  }

  #unary(): Expression<Context> {
    if (this.#take('!', 'not') !== undefined) {
      const operand = this.#unary()
      return context => operand(context) !== true
    }
    if (this.#take('-') !== undefined) {
      const operand = this.#unary()
      return context => -Number(operand(context))
    }
    return this.#primary()
  }

  #primary(): Expression<Context> {
    const token = this.#next
    if (token.kind === 'end') this.#fail('it stops too early: ')
    this.#at++
    if (token.kind === 'number') return () => Number(token.text)
    if (token.kind === 'string') return () => token.text
    if (token.kind === 'word') return this.#word(token.text)
    if (token.text === '(') {
      const inner = this.#choice()
      this.#expect(')')
      return inner
    }
    if (token.text === '[') {
      const items = this.#list(']')
      return context => items.map(item => item(context))
    }
    this.#at--
    return this.#fail()
  }

  #word(name: string): Expression<Context> {
    if (name === 'true' || name === 'false') return () => name === 'true'
    if (name === 'nil') return () => undefined
    const { functions, variables = {}, refusals = {} } = this.#scope
    if (this.#take('(') === undefined) {
      const variable = Object.hasOwn(variables, name) ? variables[name] : undefined
      if (variable === undefined) throw new ExpressionError(`unknown name '${name}'`)
      return variable
    }
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined
    if (known === undefined) {
      const why = Object.hasOwn(refusals, name) ? refusals[name] : undefined
      const there = `there are: ${Object.keys(functions).join(', ')}`
      throw new ExpressionError(`function ${name}() is ${why ?? `unknown, ${there}`}`)
    }
    const args = this.#list(')')
    if (args.length !== known.arity) {
      throw new ExpressionError(`${name}() takes ${known.arity} arguments, not ${args.length}`)
    }
    return context =>
      known.call(
        context,
        args.map(arg => arg(context)),
      )
  }

  #list(end: string): readonly Expression<Context>[] {
    const items: Expression<Context>[] = []
    if (this.#take(end) !== undefined) return items
    do items.push(this.#choice())
    while (this.#take(',') !== undefined)
    this.#expect(end)
    return items
  }
}
