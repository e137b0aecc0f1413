import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kernelFaults, programmingFaults } from '../../../src/proxy/config/families.ts'
import { onlyPrograms } from '../../helper/only-programs.ts'

const noSignal = new AbortController().signal
const works = 'case "$*" in *-S*) exit 0;; esac\necho "iptables v1.8.9 (nf_tables)"'
const noTable =
  'case "$*" in *-S*) echo "can\'t initialize ip6tables table \\`nat\': Table does not exist" >&2; exit 3;; esac\necho "ip6tables v1.8.9 (legacy)"'
const held =
  'case "$*" in *-S*) echo "Another app is currently holding the xtables lock." >&2; exit 4;; esac\necho "ip6tables v1.8.9 (legacy)"'

const cases: readonly {
  title: string
  programs: Readonly<Record<string, string>>
  want: readonly (readonly [family: number, reason: RegExp])[]
}[] = [
  { title: 'both work', programs: { iptables: works, ip6tables: works }, want: [] },
  {
    title: 'no ip6tables',
    programs: { iptables: works },
    want: [[6, /^ip6tables: not found: is iptables installed\?/]],
  },
  {
    title: 'a kernel without the table',
    programs: { iptables: works, ip6tables: noTable },
    want: [[6, /^ip6tables: can't initialize ip6tables table `nat': Table does not exist/]],
  },
  {
    title: 'somebody holds the lock: no fault',
    programs: { iptables: works, ip6tables: held },
    want: [],
  },
  {
    title: 'no programs',
    programs: {},
    want: [
      [4, /^iptables: not/],
      [6, /^ip6tables: not/],
    ],
  },
]
// A machine whose kernel has no IPv6 cannot tell more about it.
const hasIPv6 = !kernelFaults().has(6)
for (const { title, programs, want } of cases) {
  t.test(`modes of iptables: ${title}`, { skip: !hasIPv6 }, async t => {
    await onlyPrograms(t, programs)
    for (const mode of ['iptables', 'ipvs'] as const) {
      const faults = [...(await programmingFaults({ mode }, noSignal))]
      t.strictSame(
        faults.map(([family]) => family),
        want.map(([family]) => family),
      )
      for (const [index, [, reason]] of want.entries()) t.match(faults[index]?.[1], reason)
    }
  })
}

t.test('mode nftables asks the kernel only', async t => {
  const folder = await onlyPrograms(t, {
    iptables: 'echo >"$(dirname "$0")/called"',
    ip6tables: 'echo >"$(dirname "$0")/called"',
  })
  t.strictSame(await programmingFaults({ mode: 'nftables' }, noSignal), kernelFaults())
  t.notOk(existsSync(join(folder, 'called')))
})

t.test('a program that is stopped is no fault', { skip: !hasIPv6 }, async t => {
  await onlyPrograms(t, { iptables: works, ip6tables: works })
  const stop = new AbortController()
  stop.abort()
  await t.rejects(programmingFaults({ mode: 'ipvs' }, stop.signal), { name: 'AbortError' })
})
