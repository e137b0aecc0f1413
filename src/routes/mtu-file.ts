import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoCode } from '#runtime/error.ts'

/** Writes the MTU, so that no reader sees half a number; left alone when it is there, or when there is none to offer. */
export async function offerMtu(file: string, mtu: number | undefined): Promise<void> {
  if (mtu === undefined) return
  const text = `${mtu}\n`
  if ((await contentOf(file)) === text) return
  await mkdir(dirname(file), { recursive: true })
  const draft = `${file}.new`
  await writeFile(draft, text)
  await rename(draft, file)
}

/** Offers nothing any more. */
export const withdrawMtu = (file: string): Promise<void> => rm(file, { force: true })

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined
    throw error
  }
}
