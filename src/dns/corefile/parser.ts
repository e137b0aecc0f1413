import { ConfigError, type ConfigProblem } from '#runtime/error.ts'
import type { Directive, ServerBlock } from './directive.ts'
import type { CorefileSystem } from './files.ts'
import { Importer, isImport } from './import.ts'
import { type Node, parseTree } from './tree.ts'

export type Corefile = {
  readonly blocks: readonly ServerBlock[]
  /** Path → text of every file that was imported. With the Corefile's own text: all that a reload depends on. */
  readonly imported: ReadonlyMap<string, string>
  /** What is odd but allowed, as a pattern that matches no file. */
  readonly warnings: readonly ConfigProblem[]
}

/**
 * Reads a Corefile: server blocks, snippets, imports, environment variables.
 * @param file its path, for messages and for the paths of imports.
 * @throws {ConfigError} with the file and line of what cannot be understood.
 */
export function parseCorefile(text: string, file: string, system: CorefileSystem): Corefile {
  const importer = new Importer(system)
  const blocks = parseTopLevel(parseTree(text, file), importer)
  return { blocks, imported: importer.sources, warnings: importer.warnings }
}

function parseTopLevel(nodes: readonly Node[], importer: Importer): readonly ServerBlock[] {
  const blocks: ServerBlock[] = []
  for (let index = 0; index < nodes.length; index++) {
    let node = nodes[index] as Node
    const snippet = /^\((.*)\)$/s.exec(node.tokens[0]?.text ?? '')?.[1]
    if (isImport(node.tokens)) {
      blocks.push(...importer.import(node, inner => parseTopLevel(inner, importer)))
      continue
    }
    if (snippet !== undefined && node.tokens.length === 1 && node.block !== undefined) {
      importer.define(snippet, node)
      continue
    }
    // After a trailing comma the keys go on in the next line.
    while (node.block === undefined && node.tokens.at(-1)?.text.endsWith(',')) {
      const next = nodes[++index]
      if (next === undefined)
        throw new ConfigError([{ ...node.position, message: 'a key is missing after the comma' }])
      node = { ...next, tokens: [...node.tokens, ...next.tokens], position: node.position }
    }
    if (node.block !== undefined) blocks.push(serverBlock(node, node.block, importer))
    else {
      // A file with a single block needs no braces: all that follows is in it.
      blocks.push(serverBlock(node, nodes.slice(index + 1), importer))
      break
    }
  }
  return blocks
}

function serverBlock(head: Node, body: readonly Node[], importer: Importer): ServerBlock {
  const [{ tokens } = head] = importer.expand([{ ...head, block: undefined }])
  const keys = tokens.flatMap(token => token.text.split(',')).filter(key => key !== '')
  if (keys.length === 0) {
    throw new ConfigError([{ ...head.position, message: 'a server block without a zone' }])
  }
  return { keys, directives: importer.expand(body).map(directive), position: head.position }
}

function directive({ tokens, block, position }: Node): Directive {
  const [name = '', ...args] = tokens.map(token => token.text)
  return { name, args, block: block?.map(directive), position }
}
