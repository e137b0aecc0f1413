import { ConfigError } from '#runtime/error.ts'
import type { Position } from './directive.ts'
import { type Line, lexLines, type Token } from './lexer.ts'

/** A line of a Corefile and the lines in its braces. */
export type Node = {
  readonly tokens: readonly Token[]
  /** undefined: no braces. */
  readonly block: readonly Node[] | undefined
  readonly position: Position
}

/** No plugin nests braces more than a few deep. */
const MAX_DEPTH = 100

type OpenNode = { tokens: readonly Token[]; block: OpenNode[] | undefined; position: Position }

/**
 * The lines of one file as a tree. `{` opens a block as the last word of a line, `}` closes it on a line of its own.
 * @throws {ConfigError} braces that do not match or stand elsewhere.
 */
export function parseTree(text: string, file: string): readonly Node[] {
  const root: OpenNode[] = []
  const open: OpenNode[] = []
  for (const line of lexLines(text, file)) {
    const siblings = open.at(-1)?.block ?? root
    const { words, braces } = splitBraces(line)
    if (braces === '}' && words.length === 0) {
      if (open.pop() === undefined) fail(line.position, "'}' without a '{' before it")
      continue
    }
    if (braces === '}') fail(line.position, "'}' must stand on a line of its own")
    const node = words.length > 0 ? newNode(words, line.position) : headOf(siblings, open, line)
    if (words.length > 0) siblings.push(node)
    if (braces !== '') node.block = []
    if (braces === '{' && open.push(node) > MAX_DEPTH) {
      fail(line.position, `braces are nested deeper than ${MAX_DEPTH}`)
    }
  }
  const unclosed = open.at(-1)
  if (unclosed !== undefined) fail(unclosed.position, "the '{' of this line is never closed by '}'")
  return root
}

const newNode = (tokens: readonly Token[], position: Position): OpenNode => ({
  tokens,
  block: undefined,
  position,
})

/** A server block may have its `{` on the line after its keys; CoreDNS takes that too. */
function headOf(siblings: readonly OpenNode[], open: readonly OpenNode[], line: Line): OpenNode {
  const head = siblings.at(-1)
  if (head === undefined || head.block !== undefined || open.length > 0) {
    fail(line.position, "'{' must stand at the end of the line that it belongs to")
  }
  return head
}

/** Takes the braces off the end of a line: `{`, `}`, `{ }` or none. */
function splitBraces({ tokens, position }: Line): {
  words: readonly Token[]
  braces: '' | '{' | '}' | '{}'
} {
  const isBrace = (token: Token | undefined, text: string): boolean =>
    token !== undefined && !token.quoted && token.text === text
  const last = tokens.at(-1)
  if (isBrace(last, '}')) {
    const isEmptyBlock = isBrace(tokens.at(-2), '{')
    return isEmptyBlock
      ? { words: tokens.slice(0, -2), braces: '{}' }
      : { words: tokens.slice(0, -1), braces: '}' }
  }
  const words = isBrace(last, '{') ? tokens.slice(0, -1) : tokens
  if (words.some(token => isBrace(token, '{') || isBrace(token, '}'))) {
    fail(position, 'a brace must be the last word of its line (quote it if it is meant as a word)')
  }
  return { words, braces: words === tokens ? '' : '{' }
}

function fail(position: Position, message: string): never {
  throw new ConfigError([{ ...position, message }])
}
