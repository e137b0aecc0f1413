import { ageOf } from '../../status/words.ts'
import type { Cause } from '../cause.ts'

/** The API server is not heard of: Services and endpoints are those of then. */
export const apiServerStale: Cause = ({ view }) => {
  if (view.state === 'live') return undefined
  const { origin, sinceMs, nowMs, reason } = view
  const age = sinceMs === undefined ? '' : ` for ${ageOf(nowMs - sinceMs)}`
  return {
    cause: 'api-server-stale',
    step: 'view',
    message: `${origin} has not been heard of${age}${reason === undefined ? '' : ` (${reason})`}: what is known of Services may be old`,
    fix: 'see that the API server runs and that this node reaches it; rules and names stay as they are until then',
  }
}
