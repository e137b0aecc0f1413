import { hash } from 'node:crypto'

/** What a chain holds: a digest of its rules in their order. Whole rules would take ten times the memory. */
export type ChainState = string & { readonly __brand: 'ChainState' }

export const stateOf = (rules: readonly string[]): ChainState =>
  (rules.length === 0 ? '' : hash('sha1', rules.join('\n'), 'base64')) as ChainState
