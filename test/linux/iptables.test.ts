import t from 'tap'
import { installedIptables, openIptables, parseVersion } from '#linux/iptables.ts'
import { onlyPrograms } from '../helper/only-programs.ts'

const noSignal = new AbortController().signal

const nft = 'echo "iptables v1.8.9 (nf_tables)"'
const legacy = 'echo "iptables v1.8.9 (legacy)"'

t.test('versions and flavours', async t => {
  const parse = (text: string) => parseVersion('iptables', text)
  t.strictSame(parse('iptables v1.8.9 (nf_tables)\n'), { version: '1.8.9', flavour: 'nft' })
  t.strictSame(parse('ip6tables v1.8.11 (legacy)'), { version: '1.8.11', flavour: 'legacy' })
  // Before 1.8 there was one flavour, which was not named.
  t.strictSame(parse('iptables v1.6.2'), { version: '1.6.2', flavour: 'legacy' })
  t.throws(() => parse('iptables v1.4.21'), {
    message: 'iptables: version 1.4.21 is too old: 1.6.2 or later is needed',
  })
  t.throws(() => parse('busybox'), { message: 'iptables: unknown version: busybox' })
})

t.test('without programs nothing is installed, and opening says what is missing', async t => {
  await onlyPrograms(t, {})
  t.strictSame(await installedIptables(4), [])
  await t.rejects(openIptables(6), { message: 'ip6tables: not found: is iptables installed?' })
})

t.test('the flavour that the kubelet uses is taken, else that of PATH', async t => {
  const without = 'case "$*" in *-S*) exit 1;; esac'
  const withHint = 'case "$*" in *"-S KUBE-IPTABLES-HINT") exit 0;; *-S*) exit 1;; esac'
  const unknown = 'case "$*" in *-S*) exit 3;; esac'
  await onlyPrograms(t, {
    iptables: `${without}\n${nft}`,
    'iptables-legacy': `${withHint}\n${legacy}`,
  })
  t.equal((await openIptables(4)).flavour, 'legacy')
  await onlyPrograms(t, {
    iptables: `${without}\n${nft}`,
    'iptables-legacy': `${unknown}\n${legacy}`,
  })
  t.equal((await openIptables(4)).flavour, 'nft')
})

t.test('a refusal names the line', async t => {
  const says = {
    nft: 'iptables-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (No such file)',
    legacy: 'iptables-restore: line 3 failed',
    usage: 'iptables-restore v1.8.9 (legacy): unknown option "--x"\nError occurred at line: 3',
  }
  for (const [title, text] of Object.entries(says)) {
    const refuse = `while read -r line; do :; done\nprintf '%s\\n' '${text}' >&2\nexit 1`
    await onlyPrograms(t, { iptables: nft, 'iptables-restore': refuse })
    const iptables = await openIptables(4)
    const input = ['*nat\n', ':A - [0:0]\n', '-A A -j B\n', 'COMMIT\n']
    await t.rejects(
      iptables.restore(input, noSignal),
      { code: 'ERR_IPTABLES', line: '-A A -j B', message: /failed|unknown/ },
      title,
    )
  }
})

t.test('nothing to write starts no program', async t => {
  await onlyPrograms(t, { iptables: nft })
  await t.resolves((await openIptables(4)).restore([], noSignal))
})

t.test('whether a chain is there is known, or not', async t => {
  for (const [status, want] of [
    [0, true],
    [1, false],
    [3, undefined],
    [4, undefined],
  ] as const) {
    const list = `case "$*" in *-S*) exit ${status};; esac\n${nft}`
    await onlyPrograms(t, { iptables: list })
    const iptables = await openIptables(4)
    t.equal(await iptables.hasChain('nat', 'KUBE-PROXY-CANARY', noSignal), want, String(status))
  }
})
