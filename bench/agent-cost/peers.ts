import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../test/helper/eventually.ts'
import { residentMiB } from './process-cost.ts'

const PORT = 5399

/** DNS servers that are in Debian, with a cache of 10,000 names and nothing in it. */
const peers: readonly { name: string; command: (folder: string) => readonly string[] }[] = [
  {
    name: 'dnsmasq',
    command: () => [
      'dnsmasq',
      '-k',
      '-C',
      '/dev/null',
      '-p',
      `${PORT}`,
      '-c',
      '10000',
      '-u',
      'root',
    ],
  },
  {
    name: 'unbound',
    command: folder => {
      const file = join(folder, 'unbound.conf')
      const server = {
        'do-daemonize': 'no',
        'use-syslog': 'no',
        port: PORT,
        chroot: '""',
        username: '""',
      }
      const lines = Object.entries(server).map(([key, value]) => `  ${key}: ${value}\n`)
      writeFileSync(file, `server:\n${lines.join('')}`)
      return ['unbound', '-d', '-c', file]
    },
  },
]

/** Resident memory of each, MiB, when it has started; undefined where it is not installed. */
export async function peerMemory(
  folder: string,
): Promise<readonly { readonly name: string; readonly mib: number | undefined }[]> {
  mkdirSync(folder, { recursive: true })
  const measured = []
  for (const { name, command } of peers) {
    const [program = '', ...args] = command(folder)
    const child = spawn(program, args, { stdio: 'ignore' })
    const ended = once(child, 'exit').catch(() => undefined)
    const mib = await eventually('its start', () =>
      child.pid && residentMiB(child.pid, 'VmRSS') > 1
        ? residentMiB(child.pid, 'VmRSS')
        : undefined,
    ).catch(() => undefined)
    child.kill('SIGKILL')
    await ended
    measured.push({ name, mib })
  }
  return measured
}
