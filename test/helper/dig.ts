import { exec } from '#linux/exec.ts'

/** What dig shows of an answer. */
export type Dug = {
  /** `NOERROR`, `NXDOMAIN` … */
  readonly status: string
  readonly flags: readonly string[]
  /** `name ttl type data` of each record. */
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
}

/** Asks by dig; the words are split at blanks. One try of 5 s. `run` may start it in another network namespace. */
export async function dig(words: string, run: typeof exec = exec): Promise<Dug> {
  const args = ['+time=5', '+tries=1', '+nocookie', ...words.split(' ')]
  const { stdout } = await run('dig', args)
  const sectionOf = (name: string): readonly string[] => {
    const [, lines = ''] =
      new RegExp(`^;; ${name} SECTION:\\n((?:[^;\\n].*\\n)*)`, 'm').exec(stdout) ?? []
    return lines
      .split('\n')
      .filter(line => line !== '')
      .map(line => line.replace(/\s+IN\s+/, ' ').replaceAll(/\s+/g, ' '))
  }
  return {
    status: /status: (\w+)/.exec(stdout)?.[1] ?? `no answer: ${stdout}`,
    flags: /^;; flags: ([a-z ]*)/m.exec(stdout)?.[1]?.split(' ') ?? [],
    answers: sectionOf('ANSWER'),
    authorities: sectionOf('AUTHORITY'),
    additionals: sectionOf('ADDITIONAL'),
  }
}
