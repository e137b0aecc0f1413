import type { AgentFacts, SyncTimes } from './facts.ts'

const TIMEOUT_MS = 2000

/** The agent's last syncs, from its metrics. Nobody there is an answer too. */
export async function collectAgent(
  httpAddress: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<AgentFacts> {
  const url = `http://${httpAddress}/metrics`
  const nowSeconds = nowMs / 1000
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    const answer = await fetch(url, { signal: limit })
    const syncs = answer.ok ? parseSyncs(await answer.text()) : undefined
    return { url, nowSeconds, syncs }
  } catch {
    signal.throwIfAborted()
    return { url, nowSeconds, syncs: undefined }
  }
}

const LINE =
  /^kubeproxy_sync_proxy_rules_last_(queued_)?timestamp_seconds\{(?:.*,)?ip_family="(\w+)".*\} (\S+)$/gm

/** The gauges of each family in Prometheus' text format. */
export function parseSyncs(text: string): readonly SyncTimes[] {
  const families = new Map<string, SyncTimes>()
  for (const [, isQueued, family = '', value] of text.matchAll(LINE)) {
    const before = families.get(family) ?? { family, last: 0, queued: 0 }
    families.set(family, { ...before, [isQueued === undefined ? 'last' : 'queued']: Number(value) })
  }
  return [...families.values()]
}
