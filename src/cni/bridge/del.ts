import { attachmentOf, unwantedMarks } from '../attachment.ts'
import type { AttachmentRequest, CniContext, GcRequest } from '../spec/plugin.ts'
import { delVeth, gcVeth, inStages } from '../veth/del.ts'
import { wantsSpoofCheck } from './config.ts'
import { removeSpoofCheck, removeSpoofChecksWhere } from './spoof/apply.ts'

/** DEL: the pair with all that belongs to it, and at once what guards its port, which is known by name. */
export async function delBridge(request: AttachmentRequest, context: CniContext): Promise<void> {
  const isGuarded = wantsSpoofCheck(request.config)
  await inStages(context, [
    [
      () => delVeth(request, context),
      async () => {
        if (isGuarded) await removeSpoofCheck(attachmentOf(request), context.signal)
      },
    ],
  ])
}

/** GC: what is marked as this network's and belongs to no valid attachment goes. */
export async function gcBridge(request: GcRequest, context: CniContext): Promise<void> {
  const isUnwanted = unwantedMarks(request)
  await inStages(context, [
    [
      () => gcVeth(request, context),
      async () => {
        if (isUnwanted !== undefined) await removeSpoofChecksWhere(isUnwanted, context.signal)
      },
    ],
  ])
}
