import { readFile } from 'node:fs/promises'
import t from 'tap'
import { fieldFlags, otherFlags } from '../../../src/proxy/config/flags.ts'
import { defaultConfig, type ProxyConfig } from '../../../src/proxy/config/schema.ts'
import { type Support, support, supportWarnings } from '../../../src/proxy/config/support.ts'

/** Paths of what is no object, or an empty one. */
function leaves(value: unknown, prefix = ''): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix]
  const entries = Object.entries(value)
  if (entries.length === 0) return [prefix]
  return entries.flatMap(([key, child]) => leaves(child, prefix === '' ? key : `${prefix}.${key}`))
}

const { apiVersion: _version, kind: _kind, ...fields } = defaultConfig()

t.test('every field of the schema has its state, in the same order', async t => {
  t.strictSame(Object.keys(support), leaves(fields))
})

t.test('every flag stands for fields that exist', async t => {
  for (const { name, fields } of fieldFlags) {
    for (const field of fields) t.ok(Object.hasOwn(support, field), `--${name}: ${field}`)
  }
})

t.test('nothing is warned about at its default but the mode', async t => {
  t.match(supportWarnings(defaultConfig()), [{ field: 'mode' }])
  t.strictSame(supportWarnings({ ...defaultConfig(), mode: 'nftables' }), [])
})

t.test('a field without effect is told with its value and the reason', async t => {
  const config = { ...defaultConfig(), mode: 'nftables' as const, portRange: '1-2' }
  t.strictSame(supportWarnings(config), [
    { field: 'portRange', message: '"1-2" has no effect (kube-proxy ignores it too)' },
  ])
})

t.test('a feature gate that nothing goes by is told', async t => {
  const featureGates = {
    AllowServiceExternalIPs: false,
    ComponentFlagz: false,
    ComponentStatusz: false,
    LoggingAlphaOptions: true,
    AllBeta: false,
    WatchListClient: false,
  }
  t.strictSame(supportWarnings({ ...defaultConfig(), mode: 'nftables', featureGates }), [
    {
      field: 'featureGates',
      message: 'WatchListClient=false has no effect (nothing here goes by it)',
    },
  ])
})

t.test('a mode that is not there is told; one that is there is not', async t => {
  const asked = (mode: 'iptables' | '', available: readonly ('iptables' | 'nftables')[]) =>
    supportWarnings({ ...defaultConfig(), mode }, available)
  t.strictSame(asked('iptables', ['nftables']), [
    { field: 'mode', message: 'iptables is not there: nftables' },
  ])
  t.strictSame(asked('iptables', ['nftables', 'iptables']), [])
  t.match(asked('', ['nftables', 'iptables']), [{ field: 'mode', message: / means nftables$/ }])
})

t.test('a field of another mode has no effect, and that is told', async t => {
  const config = defaultConfig()
  const set = { ...config, ipvs: { ...config.ipvs, strictARP: true } }
  t.strictSame(supportWarnings({ ...set, mode: 'nftables' }), [
    { field: 'ipvs.strictARP', message: 'true has no effect (works in mode ipvs)' },
  ])
  t.strictSame(supportWarnings({ ...set, mode: 'ipvs' }, ['ipvs']), [])
})

const sections: readonly {
  mode: ProxyConfig['mode']
  read: readonly string[]
  why: RegExp
}[] = [
  { mode: '', read: ['iptables.masqueradeAll', 'iptables.syncPeriod'], why: /; without a mode / },
  { mode: 'iptables', read: ['iptables.masqueradeAll', 'iptables.syncPeriod'], why: /\(works / },
  { mode: 'ipvs', read: ['iptables.masqueradeAll', 'ipvs.syncPeriod'], why: /\(works / },
  { mode: 'nftables', read: ['nftables.masqueradeAll', 'nftables.syncPeriod'], why: /\(works / },
]
for (const { mode, read, why } of sections) {
  t.test(`mode '${mode}': a section that is not read is told, field by field`, async t => {
    const changed = { masqueradeAll: true, syncPeriod: '10s' }
    const config = defaultConfig()
    const warnings = supportWarnings({
      ...config,
      mode,
      iptables: { ...config.iptables, ...changed },
      ipvs: { ...config.ipvs, syncPeriod: '10s' },
      nftables: { ...config.nftables, ...changed },
    }).filter(({ field }) => field !== 'mode')
    const all = ['iptables', 'ipvs', 'nftables'].flatMap(section =>
      section === 'ipvs'
        ? ['ipvs.syncPeriod']
        : [`${section}.masqueradeAll`, `${section}.syncPeriod`],
    )
    t.strictSame(
      warnings.map(({ field }) => field),
      all.filter(field => !read.includes(field)),
    )
    for (const { message } of warnings) t.match(message, why)
  })
}

t.test('docs/proxy-config.md has every field and flag, with its state', async t => {
  const page = await readFile(new URL('../../../docs/proxy-config.md', import.meta.url), 'utf8')
  const words = (support: Support) => {
    if (support.state === 'unused') return 'no effect: warning'
    const { modes, asked } = support
    if (modes !== undefined) return `works in ${modes.join(', ')}; elsewhere warning`
    if (asked === undefined) return 'works'
    const names = asked.map(name => (name === 'iptables' ? 'iptables or none' : name))
    return `works with \`mode\` ${names.join(', ')}; else warning`
  }
  const flagsOf = (field: string) =>
    fieldFlags
      .filter(({ fields }) => fields.includes(field))
      .map(({ name }) => (name === 'v' ? '`-v`, `--v`' : `\`--${name}\``))
      .join(', ')
  for (const [field, entry] of Object.entries(support)) {
    const row = `| \`${field}\` | ${flagsOf(field)} | ${words(entry)} | ${entry.note ?? ''} |`
    t.ok(page.includes(row), row)
  }
  for (const flag of otherFlags) t.ok(page.includes(`| \`--${flag}`), `--${flag}`)
})
