import { type Check, fail, warn } from '../finding.ts'

/** A sync takes a second or two; one that failed is tried again within half a minute. */
const OVERDUE_SECONDS = 60
/** What two looks at a clock may differ by. */
const TOLERANCE_SECONDS = 5

/** Are the rules in the kernel those of the cluster, as far as the agent's own clock tells? */
export const lastSyncCheck: Check = {
  id: 'last-sync',
  ok: 'the last change of the cluster is in the kernel',
  examine: ({ wanted, agent: { syncs, nowSeconds, url } }) => {
    if (!wanted.isConfigured || wanted.proxyMode === undefined) return []
    if (syncs === undefined) {
      const fix = 'systemctl status nodeplane, or kubectl -n kube-system get pods -l app=nodeplane'
      return [warn('last-sync', `the agent does not answer at ${url}: its state is not known`, fix)]
    }
    return syncs.flatMap(({ family, last, queued }) => {
      const fix = `curl ${url.replace(/\/metrics$/, '/readyz')}; the agent's log says why`
      if (last > nowSeconds + TOLERANCE_SECONDS) {
        const cause = `the last sync of ${family} lies ${seconds(last - nowSeconds)} in the future: the clock was set back`
        return [warn('last-sync', cause, 'timedatectl set-ntp true')]
      }
      const waiting = nowSeconds - queued
      if (queued - last <= TOLERANCE_SECONDS || waiting <= OVERDUE_SECONDS) return []
      const when =
        last === 0 ? 'there never was one' : `the last was ${seconds(nowSeconds - last)} ago`
      const cause = `a sync of ${family} has been waiting for ${seconds(waiting)}, ${when}`
      return [fail('last-sync', cause, fix)]
    })
  },
}

const seconds = (value: number): string => `${Math.round(value)} s`
