import { release } from 'node:os'
import { openIptables } from '#linux/iptables.ts'
import { Ipvs } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { ensureSysctl } from '#linux/sysctl.ts'
import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import type { Backend, BackendModule, BackendOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import type { IpvsSettings, ProxySettings } from '../settings.ts'
import { IpvsBackend, planContext } from './backend.ts'
import { cleanup } from './cleanup.ts'
import { type DescribeOptions, describeIpvs, diffIpvs } from './describe.ts'
import { drain } from './drain.ts'
import { Firewall } from './firewall.ts'
import type { IptablesOptions } from './iptables-render.ts'
import { IpvsKernel, type KernelOptions } from './kernel.ts'
import { type Addresses, findDummy, readAddresses } from './machine.ts'
import { savedLines } from './saved-lines.ts'
import { wantedSysctls } from './sysctls.ts'

/** Mode ipvs: Services become virtual servers of the kernel's IPVS. */
export const ipvs: BackendModule = {
  async prepareKernel({ settings }) {
    // This loads IPVS, which brings its sysctls.
    using _ = await Ipvs.open()
    setSysctls(settings)
  },
  open,
  cleanup,
  drain: signal => drain(signal),
  async *describe(options, states) {
    using route = NetlinkSocket.open()
    const addresses = await readAddresses(route, options.family, await findDummy(route))
    yield* describeIpvs(described(options, addresses), states)
  },
  async diff(options, states, signal) {
    const { family } = options
    using kernel = await IpvsKernel.open(kernelOptions(options))
    const iptables = await openIptables(family)
    return await diffIpvs(described(options, await kernel.addresses()), states, async isWanted => ({
      kernel: await kernel.read(isWanted),
      rules: savedLines(await iptables.save(signal)),
    }))
  },
}

/** The kernel does not have the scheduler that is configured. */
export class SchedulerError extends NodeplaneError {
  readonly code = 'ERR_IPVS_SCHEDULER'
  constructor(scheduler: string, options?: ErrorOptions) {
    super(`ipvs.scheduler: the kernel has no IPVS scheduler ${JSON.stringify(scheduler)}`, options)
  }
}

const DEFAULT_SCHEDULER = 'rr'
const DEFAULT_PERIOD_MS = 30_000
const DEFAULT_MASQUERADE_BIT = 14

async function open(options: BackendOptions): Promise<Backend> {
  const { family, settings, log, clock } = options
  await using opened = new AsyncDisposableStack()
  const kernel = opened.use(await IpvsKernel.open(kernelOptions(options)))
  const node = nodeOptions(options)
  await probeScheduler(kernel.ipvs, node.node.scheduler, family)
  setSysctls(settings)
  await setTimeouts(kernel.ipvs, settings.ipvs).catch((error: unknown) => {
    log.warn({ reason: describeError(error) }, 'the IPVS time-outs stay as they are')
  })
  const firewall = new Firewall({
    ...ruleOptions(options),
    iptables: await openIptables(family, { timeoutMs: settings.programTimeoutMs }),
  })
  const backend = new IpvsBackend({
    ...node,
    kernel,
    firewall,
    periodMs: settings.syncPeriodMs ?? DEFAULT_PERIOD_MS,
    clock,
    log,
  })
  opened.move()
  return backend
}

const described = (options: BackendOptions, addresses: Addresses): DescribeOptions => ({
  rules: ruleOptions(options),
  context: planContext(nodeOptions(options), addresses),
})

const kernelOptions = ({ family, settings }: BackendOptions): KernelOptions => ({
  family,
  excludeCIDRs: (settings.ipvs?.excludeCIDRs ?? []).filter(prefix => prefix.family === family),
})

const ruleOptions = ({ family, settings }: BackendOptions): IptablesOptions => ({
  family,
  detector: localDetector(settings, family),
  masqueradeAll: settings.masqueradeAll,
  masqueradeBit: settings.masqueradeBit ?? DEFAULT_MASQUERADE_BIT,
})

const nodeOptions = ({ family, settings }: BackendOptions) => ({
  family,
  node: {
    nodeName: settings.nodeName,
    nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
    scheduler: settings.ipvs?.scheduler ?? DEFAULT_SCHEDULER,
  },
  nodePortAddresses: settings.nodePortAddresses.filter(prefix => prefix.family === family),
})

/** Addresses for documentation (RFC 5737, RFC 3849), where nothing is; one for each family, which probe at the same time. */
const probes = { 4: '198.51.100.0', 6: '2001:db8::' } as Record<IpFamily, IpAddress>
const PROBE_PORT = 20_000

/** Makes a virtual server with the scheduler, unless one is there that uses it. @throws {SchedulerError} */
async function probeScheduler(ipvs: Ipvs, scheduler: string, family: IpFamily): Promise<void> {
  const servers = await ipvs.listServers()
  if (servers.some(server => server.scheduler === scheduler)) return
  const probe = { protocol: 'TCP', address: probes[family], port: PROBE_PORT } as const
  try {
    await ipvs.putServer({ ...probe, scheduler, flags: 0, timeoutSeconds: 0 })
  } catch (cause) {
    throw isNotFound(cause) ? new SchedulerError(scheduler, { cause }) : cause
  }
  await ipvs.removeServer(probe)
}

function setSysctls({ ipvs: { strictARP = false } = {} }: ProxySettings): void {
  for (const [path, value] of wantedSysctls(release(), strictARP)) ensureSysctl(path, value)
}

async function setTimeouts(ipvs: Ipvs, settings: IpvsSettings = {}): Promise<void> {
  const { tcpTimeoutSeconds: tcp = 0, tcpFinTimeoutSeconds: tcpFin = 0 } = settings
  const { udpTimeoutSeconds: udp = 0 } = settings
  if (tcp > 0 || tcpFin > 0 || udp > 0) await ipvs.setTimeouts({ tcp, tcpFin, udp })
}
