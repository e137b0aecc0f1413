import { parseMac } from '#net/mac.ts'
import type { IpPrefix } from '#net/prefix.ts'
import { attachmentOf } from '../attachment.ts'
import { addressesOf } from '../chained.ts'
import { addMasquerade, type MasqueradeBackend } from '../masquerade/apply.ts'
import { listMasqueraded } from '../masquerade/whole.ts'
import type { LiveAttachment, RestoreContext, Restoring } from '../spec/plugin.ts'
import { type BridgeConfig, bridgeConfigFrom } from './config.ts'
import { restoreLinks, withoutLinks } from './restore-links.ts'
import { addSpoofCheck } from './spoof/apply.ts'
import { listGuarded } from './spoof/whole.ts'

/** Links, masquerading and MAC checks of live attachments, when somebody has taken them away. */
export const bridgeRestoring: Restoring = {
  tables: ['nodeplane_cni', 'nat'],
  hasLinks: true,
  lost: lostAttachments,
  restore: restoreAttachment,
}

type Wish = { readonly live: LiveAttachment; readonly config: BridgeConfig }

/** One listing for all of them. */
async function lostAttachments(
  live: readonly LiveAttachment[],
  { signal }: RestoreContext,
): Promise<readonly LiveAttachment[]> {
  const wishes = live.map(each => ({ live: each, config: bridgeConfigFrom(each.request) }))
  const lost = new Set(await withoutLinks(live))
  for (const backend of ['nftables', 'iptables'] as const) {
    for (const each of await withoutMasquerade(wishes, backend, signal)) lost.add(each)
  }
  const guarded = wishes.filter(({ config }) => config.macspoofchk)
  const isGuarded = guarded.length === 0 ? () => true : await listGuarded(signal)
  for (const { live: each } of guarded) {
    if (!isGuarded(attachmentOf(each.request))) lost.add(each)
  }
  return [...lost]
}

async function withoutMasquerade(
  wishes: readonly Wish[],
  backend: MasqueradeBackend,
  signal: AbortSignal,
): Promise<readonly LiveAttachment[]> {
  const wanted = wishes.filter(
    ({ config }) => config.ipMasq && config.ipMasqBackend === backend && config.ipamType,
  )
  if (wanted.length === 0) return []
  const isMasqueraded = await listMasqueraded(backend, signal)
  return wanted
    .map(({ live }) => live)
    .filter(live => {
      const attachment = attachmentOf(live.request)
      return prefixesOf(live).some(address => !isMasqueraded(attachment, address))
    })
}

/** As ADD has made them; what is there already stays as it is. */
async function restoreAttachment(live: LiveAttachment, context: RestoreContext): Promise<void> {
  const { signal } = context
  const { request, result } = live
  const { ipMasq, ipMasqBackend: backend, macspoofchk } = bridgeConfigFrom(request)
  const attachment = attachmentOf(request)
  const addresses = prefixesOf(live)
  if (ipMasq && addresses.length > 0)
    await addMasquerade(attachment, addresses, { backend, signal })
  const link = result.interfaces.find(({ name, sandbox }) => name === request.ifname && !!sandbox)
  const mac = parseMac(link?.mac ?? '')
  // Before the container can send what it likes.
  if (macspoofchk && mac !== undefined) await addSpoofCheck(attachment, mac, signal)
  await restoreLinks(live, context)
}

const prefixesOf = ({ request, result }: LiveAttachment): readonly IpPrefix[] =>
  addressesOf(result, request.ifname).map(({ address }) => address)
