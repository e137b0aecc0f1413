import { Conntrack } from '#linux/conntrack.ts'
import type { IpAddress } from '#net/ip.ts'
import { describeError } from '#runtime/error.ts'
import type { FamilyPlan } from './plan.ts'

/**
 * Forgets UDP flows to the mapped ports that do not lead to the container: they were tracked before there was a mapping, and
 * would never follow it. Failure is only told.
 */
export async function followMappings(
  plans: readonly FamilyPlan[],
  warn: (message: string) => void,
): Promise<void> {
  for (const { family, mappings } of plans) {
    const udp = mappings.filter(({ protocol }) => protocol === 'UDP')
    if (udp.length === 0) continue
    await forget(family, warn, flow =>
      udp.some(
        ({ hostIP, hostPort, target }) =>
          flow.destinationPort === hostPort &&
          (hostIP === undefined || flow.destination === hostIP) &&
          flow.replySource !== target,
      ),
    )
  }
}

/** Forgets the UDP flows that lead to addresses of a container that is gone: its next owner must not get them. */
export async function forgetContainer(
  targets: readonly IpAddress[],
  warn: (message: string) => void,
): Promise<void> {
  for (const family of [4, 6] as const) {
    const own = new Set(targets.filter(target => target.includes(':') === (family === 6)))
    if (own.size > 0) {
      // What went to the container's own address was not mapped, and ends with it.
      const isMapped = (flow: Flow) =>
        own.has(flow.replySource) && flow.destination !== flow.replySource
      await forget(family, warn, isMapped)
    }
  }
}

type Flow = Parameters<Parameters<Conntrack['listUdp']>[1]>[0]

async function forget(
  family: 4 | 6,
  warn: (message: string) => void,
  isStale: (flow: Flow) => boolean,
): Promise<void> {
  try {
    using conntrack = Conntrack.open()
    await conntrack.deleteAll(await conntrack.listUdp({ family }, isStale))
  } catch (error) {
    warn(`UDP flows stay tracked: ${describeError(error)}`)
  }
}
