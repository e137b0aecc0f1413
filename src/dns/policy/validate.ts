import type { Pod, PodDnsConfig } from '#cluster/objects.ts'
import { parseIp, parseIpLenient } from '#net/ip.ts'
import type { ConfigProblem } from '#runtime/error.ts'
import { MAX_NAMESERVERS, MAX_SEARCH_BYTES, MAX_SEARCH_LIST_BYTES, MAX_SEARCHES } from './limits.ts'

const policies: readonly string[] = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']

/** DNS-1123 labels joined by dots, where a label may start with an underscore and hold some. */
const SUBDOMAIN = /^_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/

/**
 * What the API server refuses in a pod's DNS fields (Kubernetes 1.36, pkg/apis/core/validation, validatePodDNSConfig),
 * all of it, each with its field path. Empty for a valid pod. That both fields are fixed once a pod exists is not seen here.
 */
export function validatePodDns({
  dnsPolicy,
  dnsConfig,
}: Pick<Pod, 'dnsPolicy' | 'dnsConfig'>): readonly ConfigProblem[] {
  return [
    ...policyProblems(dnsPolicy, dnsConfig),
    ...(dnsConfig === undefined
      ? []
      : [
          ...nameserverProblems(dnsConfig.nameservers),
          ...searchProblems(dnsConfig.searches),
          ...optionProblems(dnsConfig.options),
        ]),
  ]
}

function policyProblems(
  dnsPolicy: string,
  dnsConfig: PodDnsConfig | undefined,
): readonly ConfigProblem[] {
  if (!policies.includes(dnsPolicy)) {
    const message = `'${dnsPolicy}' is none of ${policies.join(', ')}`
    return [{ field: 'spec.dnsPolicy', message }]
  }
  if (dnsPolicy !== 'None' || (dnsConfig?.nameservers.length ?? 0) > 0) return []
  return [
    {
      field: dnsConfig === undefined ? 'spec.dnsConfig' : 'spec.dnsConfig.nameservers',
      message: 'missing: dnsPolicy None needs at least one nameserver here',
    },
  ]
}

function nameserverProblems(nameservers: readonly string[]): readonly ConfigProblem[] {
  const field = 'spec.dnsConfig.nameservers'
  return [
    ...(nameservers.length > MAX_NAMESERVERS
      ? [{ field, message: `${nameservers.length} nameservers, at most ${MAX_NAMESERVERS}` }]
      : []),
    ...nameservers.flatMap((text, index) => {
      const message = addressProblem(text)
      return message === undefined ? [] : [{ field: `${field}[${index}]`, message }]
    }),
  ]
}

function addressProblem(text: string): string | undefined {
  const ip = parseIp(text)
  if (ip?.startsWith('::ffff:') && ip.includes('.')) {
    return `'${text}' is an IPv4 address in IPv6 form; write ${ip.slice('::ffff:'.length)}`
  }
  if (ip !== undefined) return undefined
  const lenient = parseIpLenient(text)
  return lenient === undefined
    ? `'${text}' is not an IP address`
    : `'${text}' has leading zeros; write ${lenient}`
}

function searchProblems(searches: readonly string[]): readonly ConfigProblem[] {
  const field = 'spec.dnsConfig.searches'
  const bytes = Buffer.byteLength(searches.join(' '))
  return [
    ...(searches.length > MAX_SEARCHES
      ? [{ field, message: `${searches.length} search suffixes, at most ${MAX_SEARCHES}` }]
      : []),
    ...(bytes > MAX_SEARCH_LIST_BYTES
      ? [{ field, message: `${bytes} bytes with the blanks, at most ${MAX_SEARCH_LIST_BYTES}` }]
      : []),
    ...searches.flatMap((text, index) =>
      isSearch(text)
        ? []
        : [
            {
              field: `${field}[${index}]`,
              message: `'${text.slice(0, 256)}' is neither '.' nor a domain in lower case of at most ${MAX_SEARCH_BYTES} characters (a-z, 0-9, '-', '_')`,
            },
          ],
    ),
  ]
}

function isSearch(text: string): boolean {
  if (text === '.') return true
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  return name.length <= MAX_SEARCH_BYTES && SUBDOMAIN.test(name)
}

function optionProblems(options: PodDnsConfig['options']): readonly ConfigProblem[] {
  return options.flatMap(({ name }, index) =>
    name === ''
      ? [{ field: `spec.dnsConfig.options[${index}].name`, message: 'must not be empty' }]
      : [],
  )
}
