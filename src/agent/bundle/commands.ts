import { ExecError, exec } from '#linux/exec.ts'

/** What the kernel holds, as the usual programs tell it: people who read a bundle know these. */
const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'kernel/version.txt': ['uname', '-a'],
  'kernel/links.txt': ['ip', '-d', 'link', 'show'],
  'kernel/addresses.txt': ['ip', 'address', 'show'],
  'kernel/routes.txt': ['ip', 'route', 'show', 'table', 'all'],
  'kernel/routes6.txt': ['ip', '-6', 'route', 'show', 'table', 'all'],
  'kernel/rules.txt': ['ip', 'rule', 'show'],
  'kernel/neighbours.txt': ['ip', 'neighbour', 'show'],
  'kernel/bridge-ports.txt': ['bridge', '-d', 'link', 'show'],
  'kernel/bridge-fdb.txt': ['bridge', 'fdb', 'show'],
  'kernel/sysctls.txt': ['sysctl', 'net.ipv4', 'net.ipv6.conf.all', 'net.bridge', 'net.netfilter'],
  'kernel/nftables.txt': ['nft', '-s', 'list', 'ruleset'],
  'kernel/iptables-nft.txt': ['iptables-nft-save', '-c'],
  'kernel/ip6tables-nft.txt': ['ip6tables-nft-save', '-c'],
  'kernel/iptables-legacy.txt': ['iptables-legacy-save', '-c'],
  'kernel/ip6tables-legacy.txt': ['ip6tables-legacy-save', '-c'],
  'kernel/ipvs.txt': ['ipvsadm', '--list', '--numeric'],
  'kernel/ipset.txt': ['ipset', 'list'],
  'kernel/conntrack-statistics.txt': ['conntrack', '--stats'],
  'logs/journal.txt': ['journalctl', '--unit', 'nodeplane', '--lines', '2000', '--no-pager'],
}

const TIMEOUT_MS = 20_000
/** A ruleset of ten thousand Services has some ten megabytes. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024

export type TextEntry = { readonly name: string; readonly text: string }

/** What each program says, or why it says nothing: a program that is missing is no failure of a bundle. */
export async function* commandEntries(signal: AbortSignal): AsyncGenerator<TextEntry> {
  for (const [name, [program, ...args]] of Object.entries(commands)) {
    const limits = { signal, timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES }
    try {
      const { stdout } = await exec(program, args, limits)
      yield { name, text: stdout }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ExecError)) throw error
      yield { name, text: `${error.stdout}\n${error.message}\n` }
    }
  }
}
