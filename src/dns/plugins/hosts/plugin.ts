import { familyOf, type IpAddress } from '#net/ip.ts'
import { type Query, type Reply, type ResourceRecord, reply } from '../../message.ts'
import { gauge } from '../../metric.ts'
import { longestZone } from '../../name.ts'
import type { Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { Unanswered } from '../../unanswered.ts'
import { fallsThrough } from '../fallthrough.ts'
import { WatchedFile } from '../watched-file.ts'
import { type HostsOptions, parseHosts } from './options.ts'
import { addressesOf, type HostsTable, hostsTable, linesOf, namesOf } from './table.ts'

/** Block lists have a few hundred thousand lines; octets. */
const MAX_FILE_OCTETS = 64 * 1024 * 1024

/** `hosts`: answers from a file like /etc/hosts and from lines of the Corefile. */
export const hosts: PluginDefinition = {
  name: 'hosts',
  repeatable: false,
  async setup([directive], context) {
    if (directive === undefined) throw new TypeError('hosts: set up without directive')
    return setUp(parseHosts(directive, context), context)
  },
}

async function setUp(options: HostsOptions, { log, metrics }: SetupContext): Promise<Plugin> {
  const entries = gauge(metrics, {
    name: 'coredns_hosts_entries',
    help: 'Pairs of address and name in the hosts file and the Corefile.',
  })
  const reloaded = gauge(metrics, {
    name: 'coredns_hosts_reload_timestamp_seconds',
    help: 'When the hosts file that is served was changed.',
  })
  const inline = hostsTable(options.inline)
  let tables: readonly HostsTable[] = [inline]
  const file = new WatchedFile({
    path: options.path,
    intervalMs: options.reloadMs,
    maxOctets: MAX_FILE_OCTETS,
    onText(text, modifiedMs) {
      const table = hostsTable(linesOf(text))
      tables = [table, inline]
      entries.set(table.size + inline.size)
      reloaded.set(modifiedMs / 1000)
    },
    onFailure(reason) {
      // A file that is gone has no entries; what stands in the Corefile stays.
      tables = [inline]
      entries.set(inline.size)
      log.warn({ reason }, 'hosts: the file cannot be read')
    },
  })
  await file.look()
  return {
    name: 'hosts',
    wrap: next => (query, signal) => answer(query, options, tables) ?? next(query, signal),
    start: () => file.start(),
    stop: () => file.stop(),
  }
}

/** undefined: the next plugin shall answer. @throws {Unanswered} */
function answer(
  { question }: Query,
  options: HostsOptions,
  tables: readonly HostsTable[],
): Reply | undefined {
  const name = question.name.toLowerCase()
  const { type } = question
  if (question.class !== 'IN') return undefined
  if (type === 'PTR') {
    // Reverse names need not be in the plugin's zones.
    const names = options.reverse ? unique(tables.flatMap(table => namesOf(table, name))) : []
    return names.length === 0
      ? undefined
      : positive(names.map(data => ({ name, type, class: 'IN', ttl: options.ttl, data })))
  }
  if (longestZone(options.zones, name) === undefined) return undefined
  const addresses = unique(tables.flatMap(table => addressesOf(table, name)))
  if (addresses.length > 0) return forType(name, type, addresses, options)
  if (fallsThrough(options.fallthrough, name)) return undefined
  // There is no SOA to deny the name with, so nothing that a resolver would keep is said.
  throw new Unanswered('SERVFAIL', 'hosts: the name is in no line, and there is no fallthrough')
}

function forType(
  name: string,
  type: string,
  addresses: readonly IpAddress[],
  { ttl, fallthroughUnsupported }: HostsOptions,
): Reply | undefined {
  if (type !== 'A' && type !== 'AAAA') return fallthroughUnsupported ? undefined : positive([])
  const family = type === 'A' ? 4 : 6
  const fitting = addresses.filter(address => familyOf(address) === family)
  return positive(fitting.map(data => ({ name, type, class: 'IN', ttl, data })))
}

const positive = (answers: readonly ResourceRecord[]): Reply =>
  reply({ authoritative: true, answers })

const unique = <T>(values: readonly T[]): readonly T[] => [...new Set(values)]
