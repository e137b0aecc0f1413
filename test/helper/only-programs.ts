import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Makes these shell scripts the only programs that this process finds until the test ends; gives their folder. */
export async function onlyPrograms(
  test: Test,
  programs: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'programs-'))
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  const before = process.env['PATH']
  process.env['PATH'] = folder
  test.teardown(async () => {
    process.env['PATH'] = before
    await rm(folder, { recursive: true })
  })
  return folder
}
