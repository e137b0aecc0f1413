import { decodeAddress, RTM_DELADDR, RTM_NEWADDR } from '#linux/netlink/address.ts'
import { RouteGroup, watchNftTable, watchRouting } from '#linux/netlink/events.ts'
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from '#linux/netlink/link-message.ts'
import type { Message } from '#linux/netlink/message.ts'
import { neighbourLinkIndex, RTM_DELNEIGH, RTM_NEWNEIGH } from '#linux/netlink/neighbour.ts'
import { decodeRoute, RTM_DELROUTE, RTM_NEWROUTE } from '#linux/netlink/route.ts'
import { formatPrefix } from '#net/prefix.ts'
import { ROUTES_TABLE } from './masquerade/nft-render.ts'
import { isOurs } from './route-diff.ts'

/** What of the machine's network the routes rest on. */
export type Watched = {
  /** The uplinks and tunnels, by index. */
  readonly links: ReadonlySet<number>
  /** The tunnels alone: only their neighbours are ours. */
  readonly tunnels: ReadonlySet<number>
  /** Destinations of the planned routes, `ADDRESS/LENGTH`. */
  readonly destinations: ReadonlySet<string>
  /** An uplink is missing: any link or address may be the one. */
  readonly isIncomplete: boolean
}

/** Calls `onChange` when something changes that the routes rest on, by whomever. */
export function watchKernel(watched: () => Watched, onChange: () => void): Disposable {
  using stack = new DisposableStack()
  stack.use(
    watchRouting(
      Object.values(RouteGroup),
      message => {
        if (concerns(message, watched())) onChange()
      },
      onChange,
    ),
  )
  stack.use(watchNftTable(ROUTES_TABLE, onChange))
  return stack.move()
}

/** Does an event need a look? Pods come and go on the machine, and most events are of their links. */
export function concerns({ type, payload }: Message, watched: Watched): boolean {
  const { links, tunnels, destinations, isIncomplete } = watched
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return isIncomplete || links.has(decodeLink(payload).index)
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return isIncomplete || links.has(decodeAddress(payload).linkIndex)
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return tunnels.has(neighbourLinkIndex(payload))
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = decodeRoute(payload)
      if (route === undefined) return false
      return isOurs(route)
        ? type === RTM_DELROUTE
        : destinations.has(formatPrefix(route.destination))
    }
    default:
      return false
  }
}
