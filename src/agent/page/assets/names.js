// What DNS answered.
import { byId, h, showTable } from './dom.js'
import { count, share } from './format.js'

/** @typedef {import('../../view/types.ts').DnsView} DnsView */

/** @type {{ queries: number, atMs: number } | undefined} */
let before

/** @param {DnsView | undefined} dns */
export function showNames(dns) {
  if (dns === undefined) {
    byId('name-facts').replaceChildren(h('p', { class: 'quiet' }, 'The agent answers no names.'))
    return
  }
  const { queries, rcodes, cache } = dns
  const answers = Object.values(rcodes).reduce((sum, each) => sum + each, 0)
  const rate = rateOf(queries)
  byId('name-facts').replaceChildren(
    fact('Queries a second', rate === undefined ? '–' : count(rate)),
    fact('Queries', count(queries)),
    fact('Cache hits', share(cache.hits, cache.hits + cache.misses)),
    fact('NXDOMAIN', share(rcodes['NXDOMAIN'] ?? 0, answers)),
    fact('SERVFAIL', share(rcodes['SERVFAIL'] ?? 0, answers)),
  )
  showTable('top-names', {
    caption: 'Names asked most',
    rows: dns.topNames,
    empty: 'No names were asked lately.',
    columns: [
      { title: 'Name', value: ({ name, type }) => `${name} ${type}` },
      { title: 'Queries', value: each => count(each.count), isNumber: true },
    ],
  })
  showTable('top-clients', {
    caption: 'Who asks most',
    rows: dns.topClients,
    empty: 'Nobody asked lately.',
    columns: [
      { title: 'Pod or address', value: ({ pod, address }) => pod ?? address },
      { title: 'Queries', value: each => count(each.count), isNumber: true },
    ],
  })
  showTable('upstreams', {
    caption: 'Upstream servers',
    rows: dns.upstreams,
    empty: 'Nothing was forwarded yet.',
    columns: [
      { title: 'Server', value: ({ address }) => address },
      { title: 'Queries', value: each => count(each.queries), isNumber: true },
      {
        title: 'Mean',
        value: ({ meanMs }) => (meanMs === undefined ? '–' : `${meanMs.toFixed(1)} ms`),
        isNumber: true,
      },
    ],
  })
}

/** @param {number} queries */
function rateOf(queries) {
  const atMs = performance.now()
  const rate =
    before === undefined || queries < before.queries
      ? undefined
      : ((queries - before.queries) / (atMs - before.atMs)) * 1000
  before = { queries, atMs }
  return rate
}

/**
 * @param {string} term
 * @param {string} value
 */
const fact = (term, value) => h('div', {}, h('dt', {}, term), h('dd', {}, value))
