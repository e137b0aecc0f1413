import { readFile } from 'node:fs/promises'
import { build } from 'esbuild'

/** The value that this share (0 to 1) of the values does not exceed; NaN of none. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ] ?? Number.NaN

/** Milliseconds that an action takes. */
export async function timed(action: () => unknown): Promise<number> {
  const beganMs = performance.now()
  await action()
  return performance.now() - beganMs
}

export const formatMs = (ms: number): string => `${ms.toFixed(1).padStart(6)} ms`

/** This process's resident memory in MiB: now (VmRSS), or the highest it ever was (VmHWM). */
export async function residentMiB(field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8')
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
  return Math.round(Number(kib) / 1024)
}

/** A program as nodeplane ships it, in one file: Node's TypeScript support alone takes 36 MiB. */
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
      js: `import { createRequire } from 'node:module'; const require = createRequire('/')`,
    },
  })
}
