import { count } from '../../status/words.ts'
import type { Cause } from '../cause.ts'
import { few } from '../describe.ts'

/** UDP flows go on to where they once led: the kernel asks the rules for the first packet of a flow only. */
export const staleConntrack: Cause = ({ flows, service }) => {
  const reached = service?.reached
  if (flows === undefined || flows.staleCount === 0 || reached === undefined) return undefined
  return {
    cause: 'stale-conntrack',
    step: 'rule',
    message: `${count(flows.staleCount, 'UDP flow')} to ${reached.address}:${reached.port} still ${flows.staleCount === 1 ? 'goes' : 'go'} to ${few(flows.stale)}, which ${flows.stale.length === 1 ? 'serves' : 'serve'} no more`,
    fix: `conntrack -D -p udp --orig-dst ${reached.address} --orig-port-dst ${reached.port}; the service proxy does so whenever endpoints change`,
  }
}
