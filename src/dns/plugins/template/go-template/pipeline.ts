import { TemplateError } from './template-error.ts'
import { fieldOf, type TemplateValue, templateFunctions } from './values.ts'

/** What an action is evaluated with. */
export type Scope = { readonly dot: TemplateValue; readonly variables: Map<string, TemplateValue> }

export type Evaluate = (scope: Scope) => TemplateValue

/** Parentheses in parentheses; more is no template for a record. */
const MAX_DEPTH = 20

/**
 * Reads the words of a pipeline: commands parted by `|`, each given what the one before it made as its last argument.
 * @throws {TemplateError}
 */
export function parsePipeline(words: readonly string[]): Evaluate {
  const reader = new PipelineReader(words)
  const evaluate = reader.pipeline()
  reader.expectEnd()
  return evaluate
}

type Command = (scope: Scope, piped: readonly TemplateValue[]) => TemplateValue

class PipelineReader {
  readonly #words: readonly string[]
  #at = 0
  #depth = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  pipeline(): Evaluate {
    if (++this.#depth > MAX_DEPTH) throw new TemplateError('nested too deep')
    const commands = [this.#command()]
    while (this.#next() === '|') {
      this.#at++
      commands.push(this.#command())
    }
    this.#depth--
    return scope =>
      commands.reduce<readonly TemplateValue[]>((piped, run) => [run(scope, piped)], [])[0]
  }

  expectEnd(): void {
    const word = this.#next()
    if (word !== undefined) throw new TemplateError(`'${word}' is too much`)
  }

  /** The next word that is no blank. */
  #next(): string | undefined {
    while (this.#words[this.#at] === ' ') this.#at++
    return this.#words[this.#at]
  }

  #command(): Command {
    const first = this.#next()
    if (first === undefined) throw new TemplateError('an action is empty')
    if (/^[A-Za-z_]/.test(first) && first !== 'true' && first !== 'false') {
      this.#at++
      const run = Object.hasOwn(templateFunctions, first) ? templateFunctions[first] : undefined
      if (run === undefined) {
        const there = Object.keys(templateFunctions).join(', ')
        throw new TemplateError(`unknown function '${first}', there are: ${there}`)
      }
      const args = this.#operands()
      return (scope, piped) => run(...args.map(arg => called(arg(scope))), ...piped)
    }
    const operand = this.#operand()
    const args = this.#operands()
    return (scope, piped) => {
      const value = operand(scope)
      const given = [...args.map(arg => called(arg(scope))), ...piped]
      if (typeof value === 'function') return value(...given)
      if (given.length > 0) throw new TemplateError('arguments for what takes none')
      return value
    }
  }

  #operands(): readonly Evaluate[] {
    const operands: Evaluate[] = []
    for (let word = this.#next(); word !== undefined && !/^[|)]$/.test(word); word = this.#next()) {
      operands.push(this.#operand())
    }
    return operands
  }

  #operand(): Evaluate {
    const word = this.#next() ?? ''
    this.#at++
    let value = this.#start(word)
    // Fields stand right behind: `.Group.a`, `$x.b`, `(…).c`.
    for (let part = this.#words[this.#at]; part !== undefined && /^\.\w/.test(part); ) {
      const inner = value
      const name = part.slice(1)
      value = scope => fieldIn(inner(scope), name)
      part = this.#words[++this.#at]
    }
    return value
  }

  #start(word: string): Evaluate {
    if (word === '(') {
      const inner = this.pipeline()
      if (this.#next() !== ')') throw new TemplateError("a '(' is never closed")
      this.#at++
      return inner
    }
    if (word === '.') return ({ dot }) => dot
    if (word.startsWith('.')) return ({ dot }) => fieldIn(dot, word.slice(1))
    if (word.startsWith('$')) return scope => variableIn(scope, word)
    if (/^-?\d/.test(word)) return () => Number(word)
    if (word === 'true' || word === 'false') return () => word === 'true'
    if (/^["`]/.test(word)) {
      const text = word.slice(1, -1)
      const value = word.startsWith('`') ? text : text.replace(/\\(.)/gs, '$1')
      return () => value
    }
    throw new TemplateError(`'${word}' is no value`)
  }
}

/** A method without arguments gives its value, as in Go. */
const called = (value: TemplateValue): TemplateValue =>
  typeof value === 'function' ? value() : value

function variableIn({ variables }: Scope, name: string): TemplateValue {
  if (variables.has(name)) return variables.get(name)
  throw new TemplateError(`unknown variable ${name}`)
}

function fieldIn(value: TemplateValue, name: string): TemplateValue {
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new TemplateError(`.${name} of what has no fields`)
  }
  const record = value as { readonly [field: string]: TemplateValue }
  if (isStruct(record) && !Object.hasOwn(record, name)) {
    throw new TemplateError(
      `there is no field .${name}, there are: ${Object.keys(record).join(', ')}`,
    )
  }
  // A map of texts gives the empty text for what it lacks, as in Go.
  return Object.hasOwn(record, name) ? fieldOf(record, name) : ''
}

/** Fields of Go's structs begin in upper case; keys of maps are what the configuration calls them. */
const isStruct = (record: object): boolean => Object.hasOwn(record, 'Name')
