import { ExpressionError } from './expression-error.ts'

export type Token = {
  readonly kind: 'number' | 'string' | 'word' | 'sign' | 'end'
  readonly text: string
}

/** Blanks, a number, a string in one of three quotes, a word, or a sign. */
const LEXEME =
  /\s+|(\d+(?:\.\d+)?)|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|([A-Za-z_]\w*)|(\|\||&&|==|!=|<=|>=|\.\.|[-!<>()[\],+*/%?:])|(.)/gs

/** @throws {ExpressionError} a character that belongs to nothing. */
export function lexExpression(text: string): readonly Token[] {
  const tokens: Token[] = []
  for (const [, number, string, word, sign, other] of text.matchAll(LEXEME)) {
    if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (string !== undefined) tokens.push({ kind: 'string', text: unquote(string) })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
    else if (other !== undefined) throw new ExpressionError(`'${other}' has no meaning here`)
  }
  return [...tokens, { kind: 'end', text: 'the end' }]
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

const unquote = (text: string): string =>
  text.startsWith('`')
    ? text.slice(1, -1)
    : text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char)
