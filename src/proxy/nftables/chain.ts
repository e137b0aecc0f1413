/** A chain of the fixed part, with its hook if it is a base chain. */
export type Chain = {
  readonly name: string
  readonly hook?: string
  readonly rules: readonly string[]
}

/** A base chain: `hook` names type, hook and priority. */
export const baseChain = (name: string, hook: string, rules: readonly string[]): Chain => ({
  name,
  hook: `type ${hook}; policy accept;`,
  rules,
})
