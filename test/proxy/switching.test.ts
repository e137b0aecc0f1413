import t from 'tap'
import { silentLogger } from '#runtime/log.ts'
import type { BackendModule, CleanupOptions } from '../../src/proxy/backend.ts'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { leftoversBeside, removeLeftovers } from '../../src/proxy/switching.ts'

const modes = ['ipvs', 'iptables', 'nftables'] as const

const cases = [
  {
    inUse: 'nftables',
    want: [
      { mode: 'ipvs', inUse: 'nftables' },
      { mode: 'iptables', inUse: 'nftables' },
      { mode: 'nftables', inUse: 'nftables', foreignOnly: true },
    ],
  },
  {
    inUse: 'iptables',
    want: [
      { mode: 'ipvs', inUse: 'iptables' },
      { mode: 'iptables', inUse: 'iptables', foreignOnly: true },
      { mode: 'nftables', inUse: 'iptables' },
    ],
  },
  {
    inUse: 'ipvs',
    want: [
      { mode: 'iptables', inUse: 'ipvs' },
      { mode: 'nftables', inUse: 'ipvs' },
    ],
  },
] as const
for (const { inUse, want } of cases) {
  t.test(`in mode ${inUse}: what goes, and what stays since it is in use`, async t => {
    t.strictSame(leftoversBeside(inUse, modes), want)
  })
}

t.test(
  'each mode is cleaned up whatever becomes of the others; the error names who failed',
  async t => {
    const calls: [ProxyMode, CleanupOptions][] = []
    const load = async (mode: ProxyMode): Promise<BackendModule> => ({
      async prepareKernel() {},
      open: () => Promise.reject(new Error('not here')),
      async cleanup(options) {
        calls.push([mode, options])
        if (mode !== 'ipvs') throw new Error(`${mode} is stuck`)
      },
    })
    const removal = removeLeftovers(
      modes.map(mode => ({ mode })),
      { load, log: silentLogger() },
      new AbortController().signal,
    )
    await t.rejects(removal, {
      code: 'ERR_CLEANUP',
      message: 'rules are left over: iptables: iptables is stuck; nftables: nftables is stuck',
    })
    t.strictSame(
      calls.map(([mode]) => mode),
      modes,
    )
  },
)
