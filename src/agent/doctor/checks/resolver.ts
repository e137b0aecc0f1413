import { isLoopback, parseIp } from '#net/ip.ts'
import type { NodeFacts, Resolver } from '../facts.ts'
import { type Check, type Finding, fail, warn } from '../finding.ts'

/** Where systemd-resolved writes the servers that it asks itself. */
const REAL_FILE = '/run/systemd/resolve/resolv.conf'

/** systemd-resolved's own addresses (systemd-resolved.service(8)): it listens nowhere else. */
const STUBS: ReadonlySet<string> = new Set(['127.0.0.53', '127.0.0.54'])

/** A pod's loopback is not the node's: nobody listens there. */
export const stubResolverCheck: Check = {
  id: 'resolver-stub',
  ok: 'pods get name servers that they can reach',
  examine: ({ resolvers }) =>
    resolvers.flatMap(resolver => {
      if (resolver.usedBy === 'forward') return []
      const stub = resolver.nameservers.find(isOwnHost)
      return stub === undefined ? [] : [stubFinding(resolver, stub)]
    }),
}

function stubFinding({ file, usedBy }: Resolver, stub: string): Finding {
  const fix = `resolvConf: ${REAL_FILE} in the kubelet's and the agent's configuration`
  if (usedBy === 'pods') {
    const cause = `${file}, which pods are given, names ${stub}: in a pod nobody listens there`
    return fail('resolver-stub', cause, fix)
  }
  const cause = `${file} names ${stub}: a pod that the kubelet gives this file (dnsPolicy Default) resolves nothing`
  return warn('resolver-stub', cause, fix)
}

/** A DNS server that is its own upstream answers nothing, and asks for ever. */
export const resolverLoopCheck: Check = {
  id: 'resolver-loop',
  ok: 'DNS does not ask itself',
  examine: facts => {
    if (!facts.wanted.dns) return []
    const files = new Map(facts.resolvers.map(({ file, nameservers }) => [file, nameservers]))
    return [...files].flatMap(([file, nameservers]) => {
      const own = nameservers.find(server => isOurs(facts, server))
      if (own === undefined) return []
      return [
        fail(
          'resolver-loop',
          `${file} names ${own}, which is this node's own DNS server: it would ask itself`,
          `name the real servers in ${file}, or in the Corefile: forward . ADDRESS`,
        ),
      ]
    })
  },
}

function isOurs({ wanted }: NodeFacts, server: string): boolean {
  const ip = parseIp(server)
  if (ip === undefined || STUBS.has(ip)) return false
  return isLoopback(ip) || wanted.dnsAddresses.includes(ip)
}

function isOwnHost(server: string): boolean {
  const ip = parseIp(server)
  return ip !== undefined && isLoopback(ip)
}
