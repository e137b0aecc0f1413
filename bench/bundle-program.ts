import { build } from 'esbuild'

/**
 * Makes one file of a program, as what ships is one: a process in which Node strips the types itself takes 36 MiB more.
 * @param outfile ends in `.mjs`.
 */
export async function bundleProgram(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    logLevel: 'error',
    // CommonJS packages in the bundle ask for it.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
}
