import type { Lease, LeaseStore } from '#cni/host-local/lease-stores.ts'
import type { IpAddress } from '#net/ip.ts'
import type { AttachmentView } from './view/types.ts'

/**
 * - `live`: its container is there, or a namespace of this node has the address.
 * - `gone`: its container has ended, that is certain: `cni gc` gives the address back.
 * - `orphan`: nobody here knows of its container and no namespace has the address; it may have been reserved a moment ago.
 */
export type LeaseState = 'live' | 'gone' | 'orphan'

export type JudgedLease = Lease & {
  readonly network: string
  readonly state: LeaseState
  /** `namespace/name` */
  readonly pod?: string | undefined
}

/** What leases are judged by. */
export type LeaseWitnesses = {
  /** Empty where there is no agent to ask. */
  readonly attachments: readonly AttachmentView[]
  /** Has any namespace of this node the address? */
  readonly isSeen: (address: IpAddress) => boolean
}

/** The leases of a store, each with what is known of its holder. */
export const judgedLeases = (
  { network, leases }: Pick<LeaseStore, 'network' | 'leases'>,
  witnesses: LeaseWitnesses,
): readonly JudgedLease[] =>
  leases.map(lease => {
    const { containerId, ifname } = lease
    const holder = witnesses.attachments.find(
      each =>
        each.network === network &&
        each.containerId === containerId &&
        // Old stores do not say the interface.
        each.interface === (ifname ?? each.interface),
    )
    const { pod } = holder ?? {}
    return { ...lease, network, state: stateOf(lease, holder, witnesses), ...(pod && { pod }) }
  })

function stateOf(
  { address }: Lease,
  holder: AttachmentView | undefined,
  { isSeen }: LeaseWitnesses,
): LeaseState {
  if (isSeen(address)) return 'live'
  if (holder === undefined) return 'orphan'
  return holder.isGone ? 'gone' : 'live'
}
