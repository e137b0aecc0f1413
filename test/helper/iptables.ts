import { mkdtemp, symlink } from 'node:fs/promises'
import type { IptablesFlavour } from '#linux/iptables.ts'
import type { TestNamespace } from './namespace.ts'

/** An environment in which `iptables` and `ip6tables` are of this flavour. The folder lies in /run of the namespace. */
export async function environmentOf(flavour: IptablesFlavour): Promise<NodeJS.ProcessEnv> {
  const folder = await mkdtemp(`/run/iptables-${flavour}-`)
  for (const name of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) {
      await symlink(`/usr/sbin/xtables-${flavour}-multi`, `${folder}/${name}${suffix}`)
    }
  }
  return { ...process.env, PATH: `${folder}:${process.env['PATH']}` }
}

/** All rules and chains of a family and flavour in a namespace, without counters and remarks. */
export async function savedRules(
  namespace: TestNamespace,
  flavour: IptablesFlavour,
  family: 4 | 6 = 4,
): Promise<readonly string[]> {
  const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${flavour}-save`
  const { stdout } = await namespace.exec(program, [])
  return stdout
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => line.replace(/ \[[0-9]+:[0-9]+\]$/, ''))
}

/** The chains, `table chain`, all of whose rules have seen this many packets or more; those without rules are left out. */
export async function chainsWithPackets(
  namespace: TestNamespace,
  flavour: IptablesFlavour,
  packets: number,
): Promise<readonly string[]> {
  const { stdout } = await namespace.exec(`iptables-${flavour}-save`, ['--counters'])
  const least = new Map<string, number>()
  let table = ''
  for (const line of stdout.split('\n')) {
    table = /^\*(\w+)$/.exec(line)?.[1] ?? table
    const [, seen, chain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? []
    if (chain === undefined) continue
    const key = `${table} ${chain}`
    least.set(key, Math.min(least.get(key) ?? Number.POSITIVE_INFINITY, Number(seen)))
  }
  return [...least].filter(([, seen]) => seen >= packets).map(([chain]) => chain)
}

/** Feeds a text to iptables-restore, which keeps what is there. Rules may begin with counters, `[packets:bytes]`. */
export async function restoreRules(
  namespace: TestNamespace,
  flavour: IptablesFlavour,
  input: string,
): Promise<void> {
  await namespace.exec(`iptables-${flavour}-restore`, ['--noflush', '--counters'], { input })
}
