import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { ClusterEvent } from '#cluster/events.ts'
import { Store } from '#cluster/store.ts'
import type { IpAddress, IpFamily } from '#net/ip.ts'
import { createMetrics } from '#runtime/metrics.ts'
import type { BackendModule } from '../../src/proxy/backend.ts'
import { defaultConfig, type ProxyConfig } from '../../src/proxy/config/schema.ts'
import { runProxyService } from '../../src/proxy/service.ts'
import { onlyPrograms } from '../helper/only-programs.ts'

const idle: BackendModule = {
  async prepareKernel() {},
  async open() {
    return {
      name: 'ipvs',
      replace: async () => {},
      update: async () => {},
      async [Symbol.asyncDispose]() {},
    }
  },
  cleanup: async () => {},
}

/** What a start tells of, and the families it serves; the program `ip6tables` does as the script says. */
async function start(test: Test, mode: ProxyConfig['mode'], ip6tables = 'echo v1.8.9') {
  await onlyPrograms(test, { iptables: 'echo v1.8.9', ip6tables })
  const defaults = defaultConfig()
  // Nothing of the machine is to change.
  const conntrack = {
    ...defaults.conntrack,
    maxPerCore: 0,
    tcpEstablishedTimeout: '0s',
    tcpCloseWaitTimeout: '0s',
  }
  const store = new Store()
  store.replaceAll('Node', [])
  const events: ClusterEvent[] = []
  const errors: string[] = []
  const prepared = Promise.withResolvers<readonly IpFamily[]>()
  const stop = new AbortController()
  const running = runProxyService(
    {
      config: {
        ...defaults,
        mode,
        conntrack,
        oomScoreAdj: 0,
        bindAddress: '192.0.2.1' as IpAddress,
        healthzBindAddress: '127.0.0.1:0',
        metricsBindAddress: '127.0.0.1:0',
      },
      nodeName: 'node-a',
      store,
      nodeWaitMs: 0,
      log: pino({ level: 'error' }, { write: line => void errors.push(JSON.parse(line).msg) }),
      metrics: createMetrics(),
      onFamilies: prepared.resolve,
      onEvent: event => events.push(event),
      backends: { modes: ['ipvs', 'iptables', 'nftables'], load: async () => idle },
    },
    stop.signal,
  )
  const served = await Promise.race([prepared.promise, running.then(() => [])])
  stop.abort()
  await running
  return { events, errors, served }
}

const starting = {
  regarding: { kind: 'Node', name: 'node-a', namespace: '' },
  action: 'StartKubeProxy',
  type: 'Normal',
  reason: 'Starting',
  note: '',
}

t.test('mode ipvs is deprecated: the Node is told, and the log', async t => {
  const { events, errors } = await start(t, 'ipvs')
  const note = 'the ipvs proxier is deprecated; use nftables'
  const deprecated = { ...starting, type: 'Warning', reason: 'IPVSDeprecation', note }
  t.strictSame(events, [starting, deprecated])
  t.strictSame(errors, [note])
})

t.test('of other modes only their start is told', async t => {
  for (const mode of ['iptables', 'nftables'] as const) {
    t.strictSame(await start(t, mode), { events: [starting], errors: [], served: [4, 6] })
  }
})

t.test('a family without its iptables is not served', async t => {
  const { served } = await start(t, 'ipvs', 'exit 3')
  t.strictSame(served, [4])
})
