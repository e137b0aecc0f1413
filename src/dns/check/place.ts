import type { ConfigProblem } from '#runtime/error.ts'

/** A problem with its column, and the line that it is in. */
export type PlacedProblem = ConfigProblem & { readonly sourceLine?: string | undefined }

/**
 * Finds the column of a problem in its line: that of the word that its message begins with or quotes, else of its field, else
 * where the line's text begins.
 * @param textOf the text of a file of the Corefile; undefined when it cannot be read.
 */
export function placeProblem(
  problem: ConfigProblem,
  textOf: (file: string) => string | undefined,
): PlacedProblem {
  const { file, line } = problem
  if (file === undefined || line === undefined) return problem
  const sourceLine = textOf(file)?.split('\n')[line - 1]
  if (sourceLine === undefined) return problem
  const column = problem.column ?? columnOf(problem, sourceLine)
  return { ...problem, column, sourceLine }
}

function columnOf({ message, field = '' }: ConfigProblem, line: string): number {
  const quoted = [...message.matchAll(/'([^']+)'/g)].map(([, word = '']) => word)
  const first = /^[^\s:,;]+/.exec(message)?.[0] ?? ''
  const words = [...quoted, first, ...field.split('.').toReversed()].filter(word => word !== '')
  const starts = words.map(word => wordStart(line, word)).filter(start => start >= 0)
  return (starts[0] ?? Math.max(0, line.search(/\S/))) + 1
}

/** Where a word stands alone in the line; -1: nowhere. */
function wordStart(line: string, word: string): number {
  for (let at = line.indexOf(word); at >= 0; at = line.indexOf(word, at + 1)) {
    if (isEdge(line[at - 1]) && isEdge(line[at + word.length])) return at
  }
  return -1
}

const isEdge = (character: string | undefined): boolean =>
  character === undefined || /[\s"{},]/.test(character)
