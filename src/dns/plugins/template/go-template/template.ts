import { type Part, splitTemplate } from './lexer.ts'
import { type Evaluate, parsePipeline, type Scope } from './pipeline.ts'
import { TemplateError } from './template-error.ts'
import { isTruthy, printed, type TemplateValue } from './values.ts'

/** Characters that a template may make: more is no record. */
const MAX_OUTPUT = 65_536

type Write = (scope: Scope, output: string[]) => void

/**
 * Reads a template in a part of Go's text/template: fields, variables, pipelines, `if`, `else`, `else if`, `range`, `with`.
 * @returns what writes the text for a value, and throws {TemplateError} when it cannot.
 * @throws {TemplateError}
 */
export function parseTemplate(text: string): (dot: TemplateValue) => string {
  const parser = new TemplateParser(splitTemplate(text))
  const write = parser.body([])
  return dot => {
    const output: string[] = []
    write({ dot, variables: new Map([['$', dot]]) }, output)
    return output.join('')
  }
}

class TemplateParser {
  readonly #parts: readonly Part[]
  #at = 0

  constructor(parts: readonly Part[]) {
    this.#parts = parts
  }

  /** What stands before one of `ends`, which is left; without ends all. */
  body(ends: readonly string[]): Write {
    const writes: Write[] = []
    for (let part = this.#parts[this.#at]; part !== undefined; part = this.#parts[this.#at]) {
      if (part.kind === 'action' && ends.includes(keywordOf(part.words))) return sequence(writes)
      this.#at++
      writes.push(part.kind === 'text' ? literal(part.text) : this.#action(part.words))
    }
    if (ends.length > 0) throw new TemplateError('an {{end}} is missing')
    return sequence(writes)
  }

  #action(words: readonly string[]): Write {
    const keyword = keywordOf(words)
    if (keyword === 'if') return this.#conditional(conditionOf(words), false)
    if (keyword === 'with') return this.#conditional(conditionOf(words), true)
    if (keyword === 'range') return this.#range(conditionOf(words))
    if (['end', 'else', 'define', 'template', 'block', 'break', 'continue'].includes(keyword)) {
      throw new TemplateError(`'${keyword}' has no meaning here`)
    }
    return assignment(words) ?? output(parsePipeline(words))
  }

  #conditional(condition: Evaluate, setsDot: boolean): Write {
    const yes = this.body(['else', 'end'])
    const words = this.#takeWords()
    const no = keywordOf(words) === 'else' ? this.#otherwise(words) : () => undefined
    return (scope, out) => {
      const value = condition(scope)
      if (isTruthy(value)) yes(setsDot ? { ...scope, dot: value } : scope, out)
      else no(scope, out)
    }
  }

  #otherwise(words: readonly string[]): Write {
    const rest = words.filter(word => word !== ' ').slice(1)
    if (rest[0] === 'if')
      return this.#conditional(conditionOf(words.slice(words.indexOf('if'))), false)
    const no = this.body(['end'])
    this.#at++
    return no
  }

  #range(list: Evaluate): Write {
    const each = this.body(['else', 'end'])
    const words = this.#takeWords()
    const none = keywordOf(words) === 'else' ? this.#otherwise(words) : () => undefined
    return (scope, out) => {
      const items = list(scope)
      if (!Array.isArray(items)) throw new TemplateError('range needs a list')
      if (items.length === 0) none(scope, out)
      for (const dot of items as readonly TemplateValue[]) each({ ...scope, dot }, out)
    }
  }

  #takeWords(): readonly string[] {
    const part = this.#parts[this.#at++]
    return part?.kind === 'action' ? part.words : []
  }
}

const keywordOf = (words: readonly string[]): string => words.find(word => word !== ' ') ?? ''

const conditionOf = (words: readonly string[]): Evaluate =>
  parsePipeline(words.slice(words.findIndex(word => word !== ' ') + 1))

const sequence =
  (writes: readonly Write[]): Write =>
  (scope, out) => {
    for (const write of writes) write(scope, out)
  }

const literal =
  (text: string): Write =>
  (_, out) =>
    void out.push(text)

const output =
  (evaluate: Evaluate): Write =>
  (scope, out) => {
    const value = evaluate(scope)
    out.push(printed(typeof value === 'function' ? value() : value))
    if (out.reduce((sum, text) => sum + text.length, 0) > MAX_OUTPUT) {
      throw new TemplateError(`the text is longer than ${MAX_OUTPUT} characters`)
    }
  }

/** `$name := pipeline`, or undefined when it is something else. */
function assignment(words: readonly string[]): Write | undefined {
  const [name = '', sign] = words.filter(word => word !== ' ')
  if (!/^\$\w/.test(name) || (sign !== ':=' && sign !== '=')) return undefined
  const evaluate = parsePipeline(words.slice(words.indexOf(sign) + 1))
  return scope => void scope.variables.set(name, evaluate(scope))
}
