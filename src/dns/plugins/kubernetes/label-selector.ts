import type { Labels } from '#cluster/objects.ts'

/** Does an object with these labels belong? */
export type LabelSelector = (labels: Labels) => boolean

const KEY = '[A-Za-z0-9][\\w./-]*'
const VALUE = '[\\w.-]*'
const EQUALITY = new RegExp(`^(${KEY})\\s*(==?|!=)\\s*(${VALUE})$`)
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const EXISTENCE = new RegExp(`^(!?)\\s*(${KEY})$`)

/**
 * The selector that an expression means, in the forms of the API (equality, sets, existence; joined by commas), or
 * undefined when it means none. An absent label satisfies `!=` and `notin`.
 */
export function parseLabelSelector(expression: string): LabelSelector | undefined {
  // A comma between parentheses separates values.
  const terms = expression.split(/,(?![^(]*\))/).map(term => parseTerm(term.trim()))
  if (terms.some(term => term === undefined)) return undefined
  return labels => terms.every(term => term?.(labels))
}

function parseTerm(term: string): LabelSelector | undefined {
  const [isEquality, name = '', operator, value = ''] = EQUALITY.exec(term) ?? []
  if (isEquality !== undefined) {
    return operator === '!=' ? labels => labels[name] !== value : labels => labels[name] === value
  }
  const [isSet, key = '', relation, list = ''] = SET.exec(term) ?? []
  if (isSet !== undefined) {
    const values: readonly (string | undefined)[] = list.split(',').map(text => text.trim())
    return labels => values.includes(labels[key]) === (relation === 'in')
  }
  const [isExistence, not, label = ''] = EXISTENCE.exec(term) ?? []
  if (isExistence === undefined) return undefined
  return labels => Object.hasOwn(labels, label) === (not === '')
}
