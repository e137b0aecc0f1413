import { dirname, resolve } from 'node:path'
import { ConfigError, type ConfigProblem, describeError } from '#runtime/error.ts'
import type { Position } from './directive.ts'
import type { CorefileSystem } from './files.ts'
import type { Token } from './lexer.ts'
import { type Node, parseTree } from './tree.ts'

/** CoreDNS's guards against import bombs, and one on what all imports together bring. */
const MAX_SNIPPET_IMPORTS = 10_000
const MAX_FILE_IMPORTS = 100_000
const MAX_IMPORTED_LINES = 200_000
/** Imports within imports. */
const MAX_DEPTH = 100

/**
 * Expands imports and environment variables. One instance reads one Corefile: it knows the snippets defined so far, and every
 * file that was read.
 */
export class Importer {
  readonly #system: CorefileSystem
  readonly #snippets = new Map<string, readonly Node[]>()
  readonly #trees = new Map<string, readonly Node[]>()
  readonly #sources = new Map<string, string>()
  readonly #warnings: ConfigProblem[] = []
  /** What is being imported right now: a snippet `(name)` or a path. */
  readonly #stack: string[] = []
  #snippetImports = 0
  #fileImports = 0
  #lines = 0

  constructor(system: CorefileSystem) {
    this.#system = system
  }

  /** Imported files with their texts, in the order in which they were first read. */
  get sources(): ReadonlyMap<string, string> {
    return this.#sources
  }

  get warnings(): readonly ConfigProblem[] {
    return this.#warnings
  }

  /** The nodes, imports on every level replaced by what they name. @throws {ConfigError} */
  expand(nodes: readonly Node[]): readonly Node[] {
    return nodes.flatMap(node => {
      const tokens = node.tokens.map(token => this.#withEnvironment(token))
      if (isImport(tokens)) return this.import({ ...node, tokens }, inner => this.expand(inner))
      const block = node.block && this.expand(node.block)
      return [{ ...node, tokens, block }]
    })
  }

  /** Remembers a snippet. Its imports are expanded where it is used. @throws {ConfigError} it is there already. */
  define(name: string, node: Node): void {
    if (this.#snippets.has(name)) fail(node.position, `snippet (${name}) is defined twice`)
    this.#snippets.set(name, node.block ?? [])
  }

  /** Calls `use` with the nodes of what an import line names, while that import counts as open. @throws {ConfigError} */
  import<T>(node: Node, use: (nodes: readonly Node[]) => readonly T[]): readonly T[] {
    const [, argument, ...more] = node.tokens.map(token => this.#withEnvironment(token).text)
    if (argument === undefined || more.length > 0 || node.block !== undefined) {
      fail(node.position, 'import takes one argument: a snippet, a file or a pattern')
    }
    const snippet = this.#snippets.get(argument)
    if (snippet === undefined) {
      return this.#filesOf(argument, node.position).flatMap(path =>
        this.#within(path, node.position, () => use(this.#treeOf(path, node.position))),
      )
    }
    if (++this.#snippetImports > MAX_SNIPPET_IMPORTS) {
      fail(node.position, `more than ${MAX_SNIPPET_IMPORTS} snippet imports`)
    }
    return this.#within(`(${argument})`, node.position, () =>
      use(this.#counted(snippet, node.position)),
    )
  }

  #within<T>(what: string, position: Position, use: () => T): T {
    if (this.#stack.includes(what)) {
      fail(position, `${what} imports itself: ${[...this.#stack, what].join(' → ')}`)
    }
    if (this.#stack.length >= MAX_DEPTH)
      fail(position, `imports are nested deeper than ${MAX_DEPTH}`)
    this.#stack.push(what)
    try {
      return use()
    } finally {
      this.#stack.pop()
    }
  }

  #filesOf(argument: string, position: Position): readonly string[] {
    const path = resolve(dirname(position.file), argument)
    if (/\[/.test(argument) || /\*.*\*|\?.*\?/s.test(argument)) {
      fail(position, `import ${argument}: a pattern has at most one * and one ?, and no [...]`)
    }
    if (!/[*?]/.test(argument)) return [path]
    const paths = this.#system.glob(path)
    if (paths.length === 0) {
      this.#warnings.push({ ...position, message: `import ${argument}: no file matches` })
    }
    return paths
  }

  #treeOf(path: string, position: Position): readonly Node[] {
    if (++this.#fileImports > MAX_FILE_IMPORTS) {
      fail(position, `more than ${MAX_FILE_IMPORTS} file imports`)
    }
    let tree = this.#trees.get(path)
    if (tree === undefined) {
      tree = parseTree(this.#read(path, position), path)
      this.#trees.set(path, tree)
    }
    return this.#counted(tree, position)
  }

  #read(path: string, position: Position): string {
    try {
      const text = this.#system.read(path)
      this.#sources.set(path, text)
      return text
    } catch (error) {
      fail(
        position,
        `import: neither a snippet nor a file that can be read: ${describeError(error)}`,
      )
    }
  }

  #counted(nodes: readonly Node[], position: Position): readonly Node[] {
    this.#lines += countLines(nodes)
    if (this.#lines > MAX_IMPORTED_LINES) {
      fail(position, `imports bring more than ${MAX_IMPORTED_LINES} lines`)
    }
    return nodes
  }

  /** `{$NAME}` and `{%NAME%}` are the variable's value, nothing when it is unset. */
  #withEnvironment(token: Token): Token {
    if (!/\{[$%]/.test(token.text)) return token
    const text = token.text.replace(
      /\{\$([^}]+)\}|\{%([^%}]+)%\}/g,
      (_, dollar: string | undefined, percent: string | undefined) =>
        this.#system.env[dollar ?? percent ?? ''] ?? '',
    )
    return { ...token, text }
  }
}

/** Is this line an import? */
export const isImport = (tokens: readonly Token[]): boolean =>
  tokens[0]?.text === 'import' && !tokens[0].quoted

const countLines = (nodes: readonly Node[]): number =>
  nodes.reduce((sum, node) => sum + 1 + (node.block === undefined ? 0 : countLines(node.block)), 0)

function fail(position: Position, message: string): never {
  throw new ConfigError([{ ...position, message }])
}
