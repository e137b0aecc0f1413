/** Where a token of a Corefile stands, after imports: the file it was read from and its line, 1-based. */
export type Position = { readonly file: string; readonly line: number }

/** One line of a server block, with its arguments and, where it has braces, the lines inside. */
export type Directive = {
  readonly name: string
  readonly args: readonly string[]
  /** undefined: no braces. */
  readonly block: readonly Directive[] | undefined
  readonly position: Position
}

/** A server block: what it answers for, as written, and its directives in file order. */
export type ServerBlock = {
  readonly keys: readonly string[]
  readonly directives: readonly Directive[]
  readonly position: Position
}
