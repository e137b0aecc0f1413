import { findLink, listLinks, removeLink } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { describeError } from '#runtime/error.ts'
import { type Attachment, attachmentOf, unwantedMarks } from '../attachment.ts'
import { findContainer } from '../container.ts'
import { removeMasquerade, removeMasqueradeWhere } from '../masquerade/apply.ts'
import { ipamTypeOf } from '../spec/ipam.ts'
import type { AttachmentRequest, CniContext, GcRequest } from '../spec/plugin.ts'
import { wantsMasquerade } from './config.ts'
import { hostLinkMark, hostLinkName } from './identity.ts'
import { removePair } from './pair.ts'

/**
 * DEL: removes what ADD made, each part looked for by itself and by the attachment's identity, so that neither the
 * namespace nor a result is needed and what is gone is no error. Only what cannot be released is.
 */
export async function delVeth(request: AttachmentRequest, context: CniContext): Promise<void> {
  const { config } = request
  const attachment = attachmentOf(request)
  const ipamType = ipamTypeOf(config)
  const isMasqueraded = wantsMasquerade(config)
  await inStages(context, [
    // The kernel makes each of the two wait 20 ms for RCU: together they take no longer than one.
    [
      () => removeInterface(request, attachment),
      async () => {
        if (isMasqueraded) await removeMasquerade(attachment, context.signal)
      },
    ],
    // Released last (the reference does it before the rules): what an address still has would be its next owner's.
    [
      async () => {
        if (ipamType !== undefined) await context.delegate.run('DEL', ipamType, request)
      },
    ],
  ])
}

/** The pair by its end on the host; one that a reference plugin made, under a random name, by its end in the container. */
async function removeInterface(request: AttachmentRequest, attachment: Attachment): Promise<void> {
  using host = NetlinkSocket.open()
  if (await removePair(host, attachment)) return
  using namespace = findContainer(request)
  if (namespace === undefined) return
  using container = NetlinkSocket.open(namespace)
  const link = await findLink(container, attachment.ifname)
  if (link !== undefined) await removeLink(container, link.index)
}

/** GC: what is marked as this network's and belongs to no valid attachment goes. */
export async function gcVeth(request: GcRequest, context: CniContext): Promise<void> {
  const { config, validAttachments } = request
  const ipamType = ipamTypeOf(config)
  const valid = validAttachments?.map(each => ({ ...each, network: config.name }))
  await inStages(context, [
    [
      async () => {
        if (valid !== undefined) await removeUnknownLinks(config.name, valid)
      },
      async () => {
        const isUnwanted = unwantedMarks(request)
        if (isUnwanted === undefined) return
        await removeMasqueradeWhere(({ comment }) => isUnwanted(comment), context.signal)
      },
    ],
    [
      async () => {
        if (ipamType !== undefined) await context.delegate.run('GC', ipamType, request)
      },
    ],
  ])
}

async function removeUnknownLinks(network: string, valid: readonly Attachment[]): Promise<void> {
  using host = NetlinkSocket.open()
  const names = new Set(valid.map(hostLinkName))
  const mark = `${hostLinkMark(network)} `
  for (const { alias, name, index } of await listLinks(host)) {
    if (alias?.startsWith(mark) && !names.has(name)) await removeLink(host, index)
  }
}

/**
 * Does the steps of a stage at once and the stages one after the other, also after failures; then throws the first of
 * these and tells the others.
 */
export async function inStages(
  { warn }: CniContext,
  stages: readonly (readonly (() => Promise<void>)[])[],
): Promise<void> {
  const failures: unknown[] = []
  for (const steps of stages) {
    for (const end of await Promise.allSettled(steps.map(step => step()))) {
      if (end.status === 'rejected') failures.push(end.reason)
    }
  }
  for (const other of failures.slice(1)) warn(describeError(other))
  if (failures.length > 0) throw failures[0]
}
