import { RTM_DELADDR } from '#linux/netlink/address.ts'
import { RouteGroup, watchNftTable, watchRouting } from '#linux/netlink/events.ts'
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from '#linux/netlink/link-message.ts'
import type { Message } from '#linux/netlink/message.ts'
import { decodeRoute, RTM_DELROUTE } from '#linux/netlink/route.ts'
import { watchXtables } from '#linux/xtables-watch.ts'
import { addressBits } from '#net/ip.ts'
import { describeError, isAbort } from '#runtime/error.ts'
import type { CaretakerOptions } from './caretaker.ts'
import { type LiveEntry, LiveView, liveAttachment } from './journal/live.ts'
import type { CniPlugin } from './spec/plugin.ts'
import { HOST_LINK_MARK } from './veth/identity.ts'

/** A flush is followed by other changes, and our own ADDs change the tables too: they are looked at together. */
const SETTLE_MS = 300
/** Something may be missed, as an exchange of rules in the legacy iptables for as many others. */
const LOOK_INTERVAL_MS = 30_000

/** Makes again what live attachments have lost, rules and links, soon after somebody took it, until `stop` is aborted. */
export async function restoreAttachments(
  options: CaretakerOptions,
  stop: AbortSignal,
): Promise<void> {
  const { plugins, clock, log } = options
  const view = new LiveView(options.journal)
  let changed = Promise.withResolvers<void>()
  using watching = new DisposableStack()
  const tables = new Set(plugins.flatMap(({ restoring }) => restoring?.tables ?? []))
  for (const table of tables) watching.use(watchNftTable(table, () => changed.resolve()))
  watching.use(watchXtables(tables, () => changed.resolve()))
  if (plugins.some(({ restoring }) => restoring?.hasLinks === true)) {
    watching.use(watchLinks(() => changed.resolve()))
  }
  let failures = 0
  while (!stop.aborted) {
    try {
      for (const plugin of plugins)
        await restoreOf(plugin, view.of(plugin), { ...options, signal: stop })
      failures = 0
    } catch (error) {
      if (stop.aborted && isAbort(error)) return
      // Somebody may still be flushing: soon again, then ever later.
      failures += 1
      log.warn({ reason: describeError(error) }, 'lost rules not restored')
    }
    const waiting = new AbortController()
    const limit = AbortSignal.any([stop, waiting.signal])
    const waitMs = failures === 0 ? LOOK_INTERVAL_MS : SETTLE_MS * 2 ** failures
    const late = clock.sleep(Math.min(waitMs, LOOK_INTERVAL_MS), limit).catch(() => {})
    await Promise.race([changed.promise, late])
    waiting.abort()
    await clock.sleep(SETTLE_MS, stop).catch(() => {})
    changed = Promise.withResolvers<void>()
  }
}

/** Tells of links, addresses and routes that are taken away, and of ports that leave their bridge or are set down. */
function watchLinks(onChange: () => void): Disposable {
  const groups = Object.values(RouteGroup).filter(group => group !== RouteGroup.neighbour)
  const onMessage = ({ type, payload }: Message) => {
    if (type === RTM_DELLINK || type === RTM_DELADDR) return onChange()
    if (type === RTM_DELROUTE) {
      const { destination } = decodeRoute(payload) ?? {}
      // Only those to single addresses are ours.
      if (destination?.length === addressBits(destination?.family ?? 4)) onChange()
    }
    if (type !== RTM_NEWLINK) return
    const { kind, alias, isUp, masterIndex } = decodeLink(payload)
    const isOurs = alias?.startsWith(HOST_LINK_MARK) === true
    if (isOurs ? !isUp || masterIndex === undefined : kind === 'bridge' && !isUp) onChange()
  }
  return watchRouting(groups, onMessage, onChange)
}

async function restoreOf(
  plugin: CniPlugin,
  known: readonly LiveEntry[],
  { journal, calls, onLoss, log, signal }: CaretakerOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { restoring } = plugin
  if (restoring === undefined || known.length === 0) return
  const context = { signal, warn: (reason: string) => log.warn({ reason }, 'restoring rules') }
  const lost = new Set(
    await restoring.lost(
      known.map(({ live }) => live),
      context,
    ),
  )
  if (lost.size === 0) return
  const healed = onLoss?.({ what: `what ${plugin.name} made for ${lost.size} attachments` })
  let restored = 0
  for (const { entry } of known.filter(({ live }) => lost.has(live))) {
    await calls.inTurn({ plugin: plugin.name, ...entry }, async () => {
      // A DEL may have come first.
      const now = journal.get(entry)
      const wanted = now && !journal.isGone(now) ? liveAttachment(now, plugin) : undefined
      if (wanted === undefined) return
      await restoring.restore(wanted, context)
      restored += 1
    })
  }
  healed?.()
  if (restored > 0) log.warn({ plugin: plugin.name, attachments: restored }, 'lost rules restored')
}
