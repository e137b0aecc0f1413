import { EDE, extendedError } from '../extended-error.ts'
import type { Reply } from '../message.ts'

/** What takes the place of NXDOMAIN while not all of the cluster is known (RFC 8914 section 4.15): the client asks again. */
export const notReady: Pick<Reply, 'rcode' | 'isTransient' | 'ednsOptions'> = {
  rcode: 'SERVFAIL',
  isTransient: true,
  ednsOptions: [extendedError(EDE.notReady, 'the cluster is not fully known')],
}
