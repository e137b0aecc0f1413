import { hostAddresses } from '#net/host-addresses.ts'
import { type IpAddress, isLinkLocal } from '#net/ip.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { ZoneChanges } from '../../authority/zone-changes.ts'
import { madeNow } from '../../era.ts'
import type { Remember, Reply } from '../../message.ts'
import { isInZone, longestZone } from '../../name.ts'
import type { Plugin, PluginDefinition, SetupContext } from '../../plugin.ts'
import { grammarOf } from '../../zone/lookup.ts'
import type { ZoneQuestion } from '../../zone/outcome.ts'
import { soaRecord } from '../../zone/records.ts'
import { isReverseZone } from '../../zone/reverse-name.ts'
import type { ZoneOptions } from '../../zone/zone-options.ts'
import { answerAlias } from './answer.ts'
import { sourcesOf } from './answer-sources.ts'
import { ClusterNames } from './cluster-names.ts'
import { labelQuery } from './labels.ts'
import { type KubernetesOptions, parseKubernetes } from './options.ts'
import { programmingDuration } from './programming-duration.ts'
import { replyFrom } from './reply.ts'
import { waitForSync } from './wait-for-sync.ts'
import { wantedBy } from './wanted.ts'
import { zoneContent } from './zone-content.ts'
import { ZoneViews } from './zone-views.ts'

/** What tests replace. */
export type Surroundings = {
  readonly clock: Clock
  /** Addresses of this server. */
  readonly localAddresses: () => readonly IpAddress[]
}

/** The `kubernetes` plugin: the names of Services, endpoints and Pods. */
export const kubernetesPlugin = (
  surroundings: Surroundings = { clock: systemClock, localAddresses },
): PluginDefinition => ({
  name: 'kubernetes',
  repeatable: false,
  async setup([directive], context) {
    if (directive === undefined) throw new TypeError('kubernetes: set up without directive')
    return setUp(parseKubernetes(directive, context), context, surroundings)
  },
})

async function setUp(
  options: KubernetesOptions,
  { cluster, metrics, log, lookup: lookupTarget }: SetupContext,
  { clock, localAddresses }: Surroundings,
): Promise<Plugin> {
  const store = await cluster.open(options.connection, wantedBy(options))
  const measure = programmingDuration(metrics, store)
  const changes = new ZoneChanges()
  const names = new ClusterNames({
    store,
    options,
    clock,
    onChange(batch, nowMs) {
      measure(batch, nowMs)
      changes.changed(options.primaryZone)
    },
  })
  await waitForSync(names, options.startupTimeoutMs, { clock, log })
  const { index } = names
  const zoneOptions = zoneOptionsFrom(options, localAddresses())
  const mayDeny = () => names.synced && store.isStale?.() !== true
  const clusterZone = { index, options: zoneOptions, mayDeny }
  const { imports } = names
  const { multicluster } = options
  const views = new ZoneViews({ index, imports, options: zoneOptions, multicluster })
  /** What the answer was made from, as a source that can be watched. */
  const changesOf = (question: ZoneQuestion, given: Reply) => {
    const view = views.of(question.zone.toLowerCase())
    const sources = sourcesOf(question, given, grammarOf(view.index, view.options))
    return sources === undefined
      ? { madeIn: madeNow(names.era), untilChange: (forget: () => void) => names.era.watch(forget) }
      : { untilChange: (forget: () => void) => names.answers.watch(sources, forget) }
  }
  const rememberUntilChange = (question: ZoneQuestion, given: Reply): Remember => ({
    again({ question: { name } }) {
      const zone = name.slice(name.length - question.zone.length)
      const outcome = views.ask({ ...question, name, zone })
      const { serial } = views.of(question.zone.toLowerCase()).index
      // Nothing changed since, so it is what it was.
      return outcome.kind === 'alias'
        ? given
        : replyFrom(outcome, { zone, ttl: options.ttl, serial, mayDeny: true })
    },
    forMs: Number.POSITIVE_INFINITY,
    ttlLeftMs: undefined,
    rotates: false,
    ...changesOf(question, given),
  })
  return {
    name: 'kubernetes',
    fastPath: true,
    clusterZone,
    label: (query, labels) => labelQuery(clusterZone, options, { query, labels }),
    transfers: {
      zones: () => options.zones.filter(zone => !isReverseZone(zone)),
      zone: zone =>
        names.synced && options.zones.includes(zone) && !isReverseZone(zone)
          ? {
              soa: soaRecord(zone, options.ttl, views.of(zone).index.serial),
              // As it is now: the index changes while records are sent.
              records: [...zoneContent(views.of(zone), zone)],
            }
          : undefined,
      onChange: (listener, signal) => changes.onChange(listener, signal),
    },
    wrap: next => (query, signal) => {
      const { name, type, class: queryClass } = query.question
      const lowerName = name.toLowerCase()
      const served = longestZone(options.zones, lowerName)
      if (served === undefined || queryClass !== 'IN') return next(query, signal)
      const zone = name.slice(name.length - served.length)
      const outcome = views.ask({ name, type, zone })
      if (outcome.kind === 'name-error' && fallsThrough(options, lowerName)) {
        return next(query, signal)
      }
      const { serial } = views.of(served).index
      const { ttl } = options
      const context = { zone, ttl, serial, mayDeny: mayDeny() }
      if (outcome.kind === 'alias') {
        return answerAlias(outcome, { ...context, query, signal, lookup: lookupTarget })
      }
      const given = replyFrom(outcome, context)
      if (!names.synced || given.isTransient === true || outcome.kind === 'refused') return given
      return { ...given, remember: rememberUntilChange({ name, type, zone }, given) }
    },
    isReady: () => names.synced,
    stop: () => names.stop(),
  }
}

const zoneOptionsFrom = (
  options: KubernetesOptions,
  addresses: readonly IpAddress[],
): ZoneOptions => ({
  primaryZone: options.primaryZone,
  ttl: options.ttl,
  pods: options.pods,
  namespaces: options.namespaces,
  selectsNamespace: options.namespaceLabels?.matches,
  ignoreEmptyServices: options.ignoreEmptyServices,
  zonal: options.zonal,
  localAddresses: addresses,
})

const fallsThrough = ({ fallthrough }: KubernetesOptions, lowerName: string): boolean =>
  fallthrough?.some(zone => isInZone(lowerName, zone)) === true

/** Addresses by which others may reach this server: neither loopback nor link-local. */
const localAddresses = (): readonly IpAddress[] =>
  hostAddresses()
    .filter(({ isOnLoopback, address }) => !isOnLoopback && !isLinkLocal(address))
    .map(({ address }) => address)
