import type { NameFacts, Resolver } from './facts.ts'

/** What a resolver asks for, in order. */
export type AskedName = {
  /** Fully qualified. */
  readonly name: string
  /** The name as it was given. */
  readonly isAsGiven: boolean
}

/**
 * The names that glibc's resolver tries for one (resolv.conf(5)): a name with at least `ndots` dots first as it is, then with
 * each suffix of the search list; one with fewer the other way round. One that ends in a dot only as it is.
 */
export function candidatesOf(
  asked: string,
  { searches, ndots }: Pick<Resolver, 'searches' | 'ndots'>,
): readonly AskedName[] {
  if (asked.endsWith('.')) return [{ name: asked.toLowerCase(), isAsGiven: true }]
  const lower = asked.toLowerCase()
  const asGiven = { name: `${lower}.`, isAsGiven: true }
  const others = searches
    .map(suffix => suffix.toLowerCase().replace(/\.$/, ''))
    .filter(suffix => suffix !== '')
    .map(suffix => ({ name: `${lower}.${suffix}.`, isAsGiven: false }))
  const dots = lower.split('.').length - 1
  return dots >= ndots ? [asGiven, ...others] : [...others, asGiven]
}

/** Has the walk come to an address? */
export const isFound = ({ candidates }: NameFacts): boolean =>
  candidates.some(({ addresses }) => addresses.length > 0)

/** `web.shop.svc.cluster.local.` */
export function fqdnOf(key: string, clusterDomain: string): string {
  const [namespace = '', name = ''] = key.split('/')
  return `${name}.${namespace}.svc.${clusterDomain}.`
}

/**
 * The Services that somebody in a namespace can mean by a name: `web`, `web.shop`, `web.shop.svc`, and with the cluster's domain;
 * as keys, the likeliest first.
 */
export function meantBy(
  asked: string,
  { namespace, clusterDomain }: { readonly namespace: string; readonly clusterDomain: string },
): readonly string[] {
  const name = asked.toLowerCase().replace(/\.$/, '')
  const suffix = `.${clusterDomain}`
  const labels = (name.endsWith(suffix) ? name.slice(0, -suffix.length) : name).split('.')
  const [service = '', inNamespace, svc, ...more] = labels
  if (more.length > 0 || (svc !== undefined && svc !== 'svc')) return []
  if (name.endsWith(suffix) && svc === undefined) return []
  return [`${inNamespace ?? namespace}/${service}`]
}
