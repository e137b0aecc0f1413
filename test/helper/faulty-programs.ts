import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

/** `hang`: it runs until it is killed. `missing`: it is nowhere in PATH. */
export type Fault = 'fail' | 'hang' | 'missing'

/**
 * Programs that stand before the real ones and do as the test says. What they stand before is not in PATH itself. The
 * folder lies in /run of the namespace.
 */
export class FaultyPrograms implements AsyncDisposable {
  readonly #folder: string
  /** Real programs by the names they are called by. */
  readonly #programs: Readonly<Record<string, string>>

  private constructor(folder: string, programs: Readonly<Record<string, string>>) {
    this.#folder = folder
    this.#programs = programs
  }

  static async create(programs: Readonly<Record<string, string>>): Promise<FaultyPrograms> {
    const faulty = new FaultyPrograms(await mkdtemp('/run/programs-'), programs)
    // A library that is none, so that small changes need the program as well.
    await writeFile(join(faulty.#folder, 'libnftables.so.1'), 'no library')
    await faulty.heal()
    return faulty
  }

  /** An environment in which they are found. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.#folder}:/usr/bin`, LD_LIBRARY_PATH: this.#folder }
  }

  async break(name: string, fault: Fault): Promise<void> {
    const path = join(this.#folder, name)
    if (fault === 'missing') return await rm(path)
    const pid = join(this.#folder, `${name}.pid`)
    await rm(pid, { force: true })
    const deed = fault === 'fail' ? 'echo "Error: out of luck" >&2; exit 1' : 'exec sleep 600'
    await this.#write(name, `echo $$ >${pid}.new; mv ${pid}.new ${pid}\n${deed}`)
  }

  /** All are the real ones again. */
  async heal(): Promise<void> {
    for (const [name, program] of Object.entries(this.#programs)) {
      await this.#write(name, `unset LD_LIBRARY_PATH\nexec ${program} "$@"`)
    }
  }

  /** Waits until the broken program was called; gives whether its last run is still alive. */
  async called(name: string): Promise<{ readonly isAlive: () => boolean }> {
    const file = join(this.#folder, `${name}.pid`)
    await eventually(`${name} to be called`, () => existsSync(file))
    const pid = readFileSync(file, 'utf8').trim()
    return { isAlive: () => existsSync(`/proc/${pid}`) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  /** In one step: half written it would be an empty script, which succeeds. */
  async #write(name: string, script: string): Promise<void> {
    const path = join(this.#folder, name)
    await writeFile(`${path}.new`, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    await rename(`${path}.new`, path)
  }
}
