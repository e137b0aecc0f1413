import { countNftRules } from '#linux/nft-rules.ts'
import type { IpFamily } from '#net/ip.ts'
import { DEFAULT_TABLE_NAME } from '#proxy/settings.ts'
import { failed, ok, type ProbeResult } from './probe.ts'

/** The chains through which every connection to a Service begins: of pods, and of the node itself. */
const CHAINS = ['prerouting', 'output']

/** Are the rules there? For a cluster without a Service that could be connected to. */
export async function probeRules(families: readonly IpFamily[]): Promise<ProbeResult> {
  for (const family of families) {
    for (const chain of CHAINS) {
      const rules = await countNftRules({ family, table: DEFAULT_TABLE_NAME, chain })
      if (rules > 0) continue
      const table = `${family === 4 ? 'ip' : 'ip6'} ${DEFAULT_TABLE_NAME}`
      return failed(`the nftables table ${table} has no rules in its chain ${chain}`)
    }
  }
  return ok
}
