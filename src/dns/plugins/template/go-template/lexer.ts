import { TemplateError } from './template-error.ts'

/** Text to be copied, or the words of an action. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly words: readonly string[] }

/** A string, a number, a field or method path, a variable, a word, a sign. */
const WORD =
  /"(?:\\.|[^"\\])*"|`[^`]*`|-?\d+|\$[A-Za-z_]\w*|\$|(?:\.[A-Za-z_]\w*)|\.|[A-Za-z_]\w*|:=|[=|(),]|\s+|(\S)/gs

/** Splits a template at its actions; `{{-` and `-}}` eat the blanks beside them, comments are left out. @throws {TemplateError} */
export function splitTemplate(text: string): readonly Part[] {
  const parts: Part[] = []
  let trims = false
  for (const [piece] of text.matchAll(/\{\{[\s\S]*?\}\}|(?:(?!\{\{)[\s\S])+|\{\{/g)) {
    if (!piece.startsWith('{{')) {
      parts.push({ kind: 'text', text: trims ? piece.trimStart() : piece })
      trims = false
      continue
    }
    if (!piece.endsWith('}}')) throw new TemplateError(`an action that starts by {{ does not end`)
    const body = piece.slice(2, -2)
    const last = parts.at(-1)
    if (/^-\s/.test(body) && last?.kind === 'text') {
      parts[parts.length - 1] = { kind: 'text', text: last.text.trimEnd() }
    }
    trims = /\s-$/.test(body)
    const inner = body.replace(/^-(?=\s)/, '').replace(/(?<=\s)-$/, '')
    if (!/^\s*\/\*/.test(inner)) parts.push({ kind: 'action', words: wordsOf(inner) })
  }
  return parts
}

function wordsOf(text: string): readonly string[] {
  const words: string[] = []
  for (const [word, wrong] of text.matchAll(WORD)) {
    if (wrong !== undefined) throw new TemplateError(`'${wrong}' has no meaning in an action`)
    // Blanks part `.a .b` from `.a.b`.
    words.push(word.trim() === '' ? ' ' : word)
  }
  return words
}
