import { release } from 'node:os'
import { iptablesVersion } from '#linux/iptables-restore.ts'
import type { Ipvs } from '#linux/ipvs.ts'
import { isNotFound } from '#linux/netlink/error.ts'
import { ensureSysctl } from '#linux/sysctl.ts'
import { familyOf, type IpAddress, type IpFamily } from '#net/ip.ts'
import { describeError, NodeplaneError } from '#runtime/error.ts'
import type { Backend, BackendModule, BackendOptions } from '../backend.ts'
import { localDetector } from '../local-detector.ts'
import type { IpvsSettings } from '../settings.ts'
import { IpvsBackend } from './backend.ts'
import { cleanup } from './cleanup.ts'
import { Firewall } from './firewall.ts'
import { IpvsKernel } from './kernel.ts'
import { wantedSysctls } from './sysctls.ts'

/** Mode ipvs: Services become virtual servers of the kernel's IPVS. */
export const ipvs: BackendModule = { open, cleanup }

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

async function open({ family, settings, log, clock }: BackendOptions): Promise<Backend> {
  const {
    scheduler = DEFAULT_SCHEDULER,
    excludeCIDRs = [],
    strictARP = false,
  } = settings.ipvs ?? {}
  await using opened = new AsyncDisposableStack()
  const ofFamily = <T extends { readonly family: number }>(prefixes: readonly T[]) =>
    prefixes.filter(prefix => prefix.family === family)
  const kernel = opened.use(await IpvsKernel.open({ family, excludeCIDRs: ofFamily(excludeCIDRs) }))
  await probeScheduler(kernel.ipvs, scheduler, family)
  for (const [path, value] of wantedSysctls(release(), strictARP)) ensureSysctl(path, value)
  await setTimeouts(kernel.ipvs, settings.ipvs).catch((error: unknown) => {
    log.warn({ reason: describeError(error) }, 'the IPVS time-outs stay as they are')
  })
  const firewall = new Firewall({
    family,
    detector: localDetector(settings, family),
    masqueradeAll: settings.masqueradeAll,
    masqueradeBit: settings.masqueradeBit ?? DEFAULT_MASQUERADE_BIT,
    randomPorts: canChoosePorts(await iptablesVersion(family)),
  })
  const backend = new IpvsBackend({
    family,
    node: {
      nodeName: settings.nodeName,
      nodeIPs: (settings.nodeIPs ?? []).filter(ip => familyOf(ip) === family),
      scheduler,
    },
    nodePortAddresses: ofFamily(settings.nodePortAddresses),
    kernel,
    firewall,
    periodMs: settings.syncPeriodMs ?? DEFAULT_PERIOD_MS,
    clock,
    log,
  })
  opened.move()
  return backend
}

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

async function setTimeouts(ipvs: Ipvs, settings: IpvsSettings = {}): Promise<void> {
  const { tcpTimeoutSeconds: tcp = 0, tcpFinTimeoutSeconds: tcpFin = 0 } = settings
  const { udpTimeoutSeconds: udp = 0 } = settings
  if (tcp > 0 || tcpFin > 0 || udp > 0) await ipvs.setTimeouts({ tcp, tcpFin, udp })
}

/** From iptables 1.6.2 on. */
function canChoosePorts(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  return major * 1e6 + minor * 1e3 + patch >= 1_006_002
}
