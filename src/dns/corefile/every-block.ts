import type { Corefile } from './parser.ts'

/** The Corefile with a directive, without arguments, in each server block that does not have it. */
export const withInEveryBlock = (corefile: Corefile, name: string): Corefile => ({
  ...corefile,
  blocks: corefile.blocks.map(block =>
    block.directives.some(directive => directive.name === name)
      ? block
      : {
          ...block,
          directives: [
            ...block.directives,
            { name, args: [], block: undefined, position: block.position },
          ],
        },
  ),
})
