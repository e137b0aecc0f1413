import type { CniDns } from '../spec/result.ts'

/**
 * What a resolv.conf(5) says, for a CNI result: all name servers, search domains and options in their order, the last
 * `domain`. Other lines are ignored.
 */
export function parseResolvConf(text: string): CniDns {
  const nameservers: string[] = []
  const search: string[] = []
  const options: string[] = []
  let domain: string | undefined
  for (const line of text.split('\n')) {
    const words = line
      .replace(/(^|\s)[#;].*$/, '')
      .trim()
      .split(/\s+/)
    const [keyword, first, ...more] = words
    if (first === undefined) continue
    if (keyword === 'nameserver') nameservers.push(first)
    else if (keyword === 'domain') domain = first
    else if (keyword === 'search') search.push(first, ...more)
    else if (keyword === 'options') options.push(first, ...more)
  }
  return { nameservers, domain, search, options }
}
