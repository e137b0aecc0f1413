import { isRecordOf, type Reply } from '../../message.ts'

export type ReplyClass = 'success' | 'denial' | 'error'

/** What kind of answer this is, as CoreDNS's plugin/pkg/response tells them apart. */
export type ReplyType =
  | 'NOERROR'
  | 'NXDOMAIN'
  | 'NODATA'
  | 'DELEGATION'
  | 'SERVERERROR'
  | 'OTHERERROR'

const classes: Readonly<Record<ReplyType, ReplyClass>> = {
  NOERROR: 'success',
  DELEGATION: 'success',
  NXDOMAIN: 'denial',
  NODATA: 'denial',
  SERVERERROR: 'error',
  OTHERERROR: 'error',
}

/** A denial is one only with the zone's SOA record in it (RFC 2308 section 2). */
export function typeOfReply({ rcode, answers, authorities }: Reply): ReplyType {
  if (rcode === 'NOERROR' && answers.length > 0) return 'NOERROR'
  if (rcode === 'SERVFAIL' || rcode === 'NOTIMP') return 'SERVERERROR'
  const hasSoa = authorities.some(record => isRecordOf(record, 'SOA'))
  if (rcode === 'NXDOMAIN' && hasSoa) return 'NXDOMAIN'
  if (rcode !== 'NOERROR') return 'OTHERERROR'
  if (hasSoa) return 'NODATA'
  return authorities.some(record => isRecordOf(record, 'NS')) ? 'DELEGATION' : 'NOERROR'
}

export const classOfReply = (reply: Reply): ReplyClass => classes[typeOfReply(reply)]
