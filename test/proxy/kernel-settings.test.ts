import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { silentLogger } from '#runtime/log.ts'
import { defaultConfig, type ProxyConfig } from '../../src/proxy/config/schema.ts'
import { conntrackSettings, type KernelSetting } from '../../src/proxy/kernel-settings.ts'
import { applySettings, tune } from '../../src/proxy/tune.ts'

const config = (fields: Partial<ProxyConfig['conntrack']> = {}): ProxyConfig => {
  const defaults = defaultConfig()
  return { ...defaults, conntrack: { ...defaults.conntrack, ...fields } }
}

/** `name=value`, with `!` where it was asked for. */
const settings = (fields: Partial<ProxyConfig['conntrack']>, cpus = 2) =>
  conntrackSettings(config(fields), cpus).map(({ target, isAsked }) => {
    const text =
      'buckets' in target
        ? `buckets=${target.buckets}`
        : `${target.sysctl.replace('net/netfilter/nf_conntrack_', '')}=${target.value}`
    return isAsked ? `${text}!` : text
  })

const none = {
  maxPerCore: 0,
  tcpEstablishedTimeout: '0s',
  tcpCloseWaitTimeout: '0s',
}

const cases: readonly {
  title: string
  fields: Partial<ProxyConfig['conntrack']>
  cpus?: number
  want: readonly string[]
}[] = [
  {
    title: 'the defaults: the minimum on a small machine',
    fields: {},
    want: [
      'max=131072',
      'buckets=32768',
      'tcp_timeout_established=86400',
      'tcp_timeout_close_wait=3600',
    ],
  },
  {
    title: 'so many per core',
    fields: { ...none, maxPerCore: 50_000 },
    cpus: 8,
    want: ['max=400000!', 'buckets=100000'],
  },
  {
    title: 'the cap wins over everything',
    fields: { ...none, maxPerCore: 1, min: 9_000_000 },
    want: ['max=1048576!', 'buckets=262144'],
  },
  { title: 'maxPerCore 0 and durations of 0 touch nothing', fields: none, want: [] },
  {
    title: 'whole seconds; below one nothing',
    fields: { ...none, udpTimeout: '30.9s', udpStreamTimeout: '900ms' },
    want: ['udp_timeout=30!'],
  },
  { title: 'be liberal', fields: { ...none, tcpBeLiberal: true }, want: ['tcp_be_liberal=1!'] },
]
for (const { title, fields, cpus, want } of cases) {
  t.test(title, async t => t.strictSame(settings(fields, cpus), want))
}

t.test(
  "all of the node's CPUs count, also for a process that may use one of them only",
  async t => {
    const allowed = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    const tune = new URL('../../src/proxy/tune.ts', import.meta.url).href
    const script = `import('${tune}').then(({ thisMachine }) => console.log(thisMachine.cpus))`
    const { stdout } = await exec('taskset', [
      '-c',
      allowed?.[1] ?? '0',
      process.execPath,
      '-e',
      script,
    ])
    t.equal(stdout.trim(), String(cpus().length))
  },
)

/** A machine that refuses some settings, with an error of this code. */
function machine(refuses: (target: KernelSetting['target']) => string | undefined) {
  const applied: KernelSetting['target'][] = []
  return {
    applied,
    cpus: 2,
    apply(target: KernelSetting['target']) {
      const code = refuses(target)
      if (code !== undefined) throw Object.assign(new Error(`refused: ${code}`), { code })
      applied.push(target)
    },
    setOomScoreAdj() {
      throw new Error('not permitted')
    },
  }
}
const isMax = (target: KernelSetting['target']) =>
  'sysctl' in target && target.sysctl.endsWith('_max')

t.test(
  'a default that cannot be set, and the OOM score, end nothing; the others are set',
  async t => {
    const kernel = machine(target => (isMax(target) ? 'EACCES' : undefined))
    t.strictSame(tune(config(), silentLogger(), kernel), [])
    t.equal(kernel.applied.length, 3)
  },
)

t.test('what was asked for and cannot be set is an error, that names all of it', async t => {
  const kernel = machine(() => 'EACCES')
  t.throws(() => tune(config({ maxPerCore: 1, tcpBeLiberal: true }), silentLogger(), kernel), {
    code: 'ERR_KERNEL_SETTING',
    message: 'conntrack.maxPerCore: refused: EACCES\nconntrack.tcpBeLiberal: refused: EACCES',
  })
})

t.test('what the kernel does not know yet is for later, and then it counts', async t => {
  const missing = tune(
    config({ tcpBeLiberal: true }),
    silentLogger(),
    machine(() => 'ENOENT'),
  )
  t.equal(missing.length, 5)
  const kernel = machine(() => undefined)
  applySettings(missing, { log: silentLogger(), machine: kernel })
  t.equal(kernel.applied.length, 5)
  const still = machine(() => 'ENOENT')
  t.throws(() => applySettings(missing, { log: silentLogger(), machine: still }), {
    message: /^conntrack\.tcpBeLiberal: [^\n]*$/,
  })
})
