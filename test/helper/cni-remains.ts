import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { linksOf } from './cni-network.ts'
import type { TestNamespace } from './namespace.ts'

/** Files of a store that stay when its leases have gone (CNI specification of host-local's layout). */
const KEPT = /^(lock|last_reserved_ip\.\d+)$/

/**
 * What there still is of containers whose ids begin with `prefix`, on a host: veth links, rules that name them, leases and other
 * files of the stores. Empty when nothing is.
 */
export async function remainsOf(
  host: TestNamespace,
  prefix: string,
  stores: readonly string[],
): Promise<readonly string[]> {
  const links = (await linksOf(host)).filter(name => name.startsWith('veth'))
  const listings = await Promise.all(
    [
      ['nft', 'list', 'ruleset'],
      ['iptables-save', '-t', 'nat'],
      ['ip6tables-save', '-t', 'nat'],
    ].map(async ([program = '', ...args]) => (await host.exec(program, args)).stdout),
  )
  const rules = listings.flatMap(text => text.split('\n')).filter(line => line.includes(prefix))
  const files = stores.flatMap(store =>
    filesIn(store)
      .filter(name => !KEPT.test(name))
      .map(name => join(store, name)),
  )
  return [...links, ...rules, ...files]
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
