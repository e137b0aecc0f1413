import {
  type AttributeMap,
  decodeAttributes,
  readNested,
  readText,
  textAttribute,
} from './attribute.ts'
import { Flag } from './message.ts'
import { qdiscPlaces, TCMSG_BYTES, Tca, tcMessage } from './qdisc.ts'
import type { NetlinkSocket } from './socket.ts'

/** linux/rtnetlink.h */
const RTM_NEWTFILTER = 44
const RTM_GETTFILTER = 46

/** ETH_P_ALL: packets of all protocols. */
const ETH_P_ALL = 3
const PRIORITY = 1
/** TCA_U32_SEL, TCA_U32_ACT (linux/pkt_cls.h) */
const U32 = { selector: 5, action: 7 } as const
/** TC_U32_TERMINAL: nothing is looked up after it. */
const U32_TERMINAL = 1
/** TCA_ACT_KIND, TCA_ACT_OPTIONS; TCA_MIRRED_PARMS */
const Act = { kind: 1, options: 2 } as const
const MIRRED_PARMS = 2
/** TC_ACT_STOLEN: the packet goes no further here; TCA_EGRESS_REDIR: another link sends it. */
const TC_ACT_STOLEN = 4
const EGRESS_REDIR = 1

/** Bytes of struct tc_u32_sel with one key, and of tc_mirred. */
const SELECTOR_BYTES = 16 + 16
const MIRRED_BYTES = 28

/** struct tcmsg's info of a filter: its priority, and the protocol in network byte order. */
const filterInfo = ((PRIORITY << 16) | (ETH_P_ALL << 8)) >>> 0

/**
 * The payload that redirects all that a link receives to another, as if this sent it. By u32, which every kernel has that the
 * reference plugin works on; matchall is younger.
 */
export function encodeRedirect(linkIndex: number, toIndex: number): Buffer {
  const selector = Buffer.alloc(SELECTOR_BYTES)
  selector[0] = U32_TERMINAL
  // One key, whose mask is zero: every packet has it.
  selector[2] = 1
  const parms = Buffer.alloc(MIRRED_BYTES)
  parms.writeInt32LE(TC_ACT_STOLEN, 8)
  parms.writeInt32LE(EGRESS_REDIR, 20)
  parms.writeUInt32LE(toIndex, 24)
  const action = [
    textAttribute(Act.kind, 'mirred'),
    { type: Act.options, value: [{ type: MIRRED_PARMS, value: parms }] },
  ]
  return tcMessage({ linkIndex, parent: qdiscPlaces.ingress.handle, info: filterInfo }, [
    textAttribute(Tca.kind, 'u32'),
    {
      type: Tca.options,
      value: [
        // An action is an attribute whose type is its place in the list, from 1.
        { type: U32.action, value: [{ type: 1, value: action }] },
        { type: U32.selector, value: selector },
      ],
    },
  ])
}

/** The link that a filter of an RTM_NEWTFILTER message redirects to; undefined when it does something else. */
export function decodeRedirect(payload: Buffer): number | undefined {
  const attributes = decodeAttributes(payload.subarray(TCMSG_BYTES))
  if (readText(attributes, Tca.kind) !== 'u32') return undefined
  const actions = readNested(readNested(attributes, Tca.options), U32.action)
  for (const type of actions.keys()) {
    const index = targetOf(readNested(actions, type))
    if (index !== undefined) return index
  }
  return undefined
}

function targetOf(action: AttributeMap): number | undefined {
  if (readText(action, Act.kind) !== 'mirred') return undefined
  const parms = readNested(action, Act.options).get(MIRRED_PARMS)
  return parms === undefined || parms.length < MIRRED_BYTES ? undefined : parms.readUInt32LE(24)
}

/** Redirects all that a link receives, which has an ingress qdisc. @throws {NetlinkError} */
export async function addRedirect(
  socket: NetlinkSocket,
  linkIndex: number,
  toIndex: number,
): Promise<void> {
  await socket.request({
    operation: `redirect what link ${linkIndex} receives to link ${toIndex}`,
    type: RTM_NEWTFILTER,
    flags: Flag.create | Flag.exclusive,
    payload: encodeRedirect(linkIndex, toIndex),
  })
}

/** The links that filters redirect to what a link receives. @throws {NetlinkError} */
export async function listRedirects(
  socket: NetlinkSocket,
  linkIndex: number,
): Promise<readonly number[]> {
  const messages = await socket.dump({
    operation: `list filters of link ${linkIndex}`,
    type: RTM_GETTFILTER,
    payload: tcMessage({ linkIndex, parent: qdiscPlaces.ingress.handle }, []),
  })
  return messages.flatMap(({ payload }) => decodeRedirect(payload) ?? [])
}
