// Colours for people: `const paint = painter(io.stdout, io.env)`, then `paint.severity('FAIL')`. Off for pipes and NO_COLOR.

import type { Severity } from '#agent/severity.ts'

export type Painter = {
  readonly isOn: boolean
  /** A text in the colour of a severity; without a text, the severity's own name. */
  severity(severity: Severity, text?: string): string
  bold(text: string): string
  dim(text: string): string
}

/** SGR codes (ECMA-48 section 8.3.117). */
const codes = { OK: 32, WARN: 33, FAIL: 31, bold: 1, dim: 2 } as const

/**
 * Colours on a terminal, none elsewhere; a NO_COLOR that is not empty turns them off (no-color.org), and so does TERM=dumb.
 */
export function painter(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Painter {
  const isOn = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  const paint = (style: keyof typeof codes, text: string): string =>
    isOn && text !== '' ? `\x1b[${codes[style]}m${text}\x1b[0m` : text
  return {
    isOn,
    severity: (severity, text = severity) => paint(severity, text),
    bold: text => paint('bold', text),
    dim: text => paint('dim', text),
  }
}
