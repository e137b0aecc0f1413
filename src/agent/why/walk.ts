import { formatHostPort } from '#net/ip.ts'
import { ageOf, count } from '../status/words.ts'
import { clientText, endpointText, few, portText, routeText } from './describe.ts'
import type { EndpointFacts, Facts, NameFacts, PodLink } from './facts.ts'
import { type Finding, type Step, steps } from './finding.ts'
import { isAnswered } from './listening.ts'
import { endpointsIn, isHeadless, isUsable } from './service.ts'

/** A step of the way, as it was found. */
export type WalkStep = {
  readonly step: Step
  readonly state: 'OK' | 'FAIL'
  /** What is there, a line each. */
  readonly lines: readonly string[]
}

/** Endpoints that are told one by one. */
const MAX_TOLD = 5

/** The way from the client to the pods; steps that were not taken are left out. Pure. */
export const walk = (facts: Facts, findings: readonly Finding[]): readonly WalkStep[] =>
  steps
    .map(step => {
      const failed = findings.filter(finding => finding.step === step)
      const told = tellers[step](facts)
      const lines = told.length > 0 ? told : failed.map(({ message }) => message)
      return { step, state: failed.length > 0 ? 'FAIL' : 'OK', lines } as const
    })
    .filter(({ lines }) => lines.length > 0)

const tellers: Readonly<Record<Step, (facts: Facts) => readonly string[]>> = {
  view: ({ view: { origin, state, sinceMs, nowMs } }) => [
    `${origin}: ${state}${sinceMs === undefined ? '' : ` for ${ageOf(nowMs - sinceMs)}`}`,
  ],
  client: clientLines,
  name: ({ name }) => (name === undefined ? [] : nameLines(name)),
  address: addressLines,
  rule: ruleLines,
  endpoint: endpointLines,
  route: ({ endpoints }) =>
    told(endpoints).flatMap(({ address, route, link }) =>
      route === undefined
        ? []
        : [[`${address}: ${routeText(route)}`, ...linkTexts(link)].join(', ')],
    ),
  pod: ({ endpoints }) => told(endpoints).flatMap(podLine),
}

const told = (endpoints: readonly EndpointFacts[]) => endpoints.slice(0, MAX_TOLD)

function clientLines({ client, nodeName }: Facts): readonly string[] {
  const { kind, addresses, pod, link } = client
  const isElsewhere = pod !== undefined && pod.nodeName !== '' && pod.nodeName !== nodeName
  return [
    [
      clientText(client),
      ...(kind === 'outside' ? [] : addresses.slice(0, 2)),
      ...linkTexts(link),
      ...(isElsewhere ? [`on ${pod.nodeName}, so asked from ${nodeName} in its stead`] : []),
    ].join(', '),
  ]
}

/** `eth0 mtu 1500`, `port veth12 of br0, hairpin on` */
function linkTexts(link: PodLink | undefined): readonly string[] {
  if (link === undefined) return []
  const { host } = link
  const own = `${link.name} mtu ${link.mtu}`
  if (host === undefined) return [own]
  const hairpin = host.hairpin === undefined ? '' : `, hairpin ${host.hairpin ? 'on' : 'off'}`
  const bridge = host.bridge === undefined ? '' : ` of ${host.bridge.name}`
  return [own, `${host.name}${bridge} mtu ${host.mtu}${hairpin}`]
}

function nameLines({ resolver, candidates }: NameFacts): readonly string[] {
  const { servers, searches, ndots, why } = resolver
  return [
    `resolver ${servers.join(', ') || 'none'}, ndots:${ndots}, search ${searches.join(' ') || 'nothing'} (${why})`,
    ...candidates.map(({ name, rcode, addresses, server }) => {
      const answer = addresses.length > 0 ? few(addresses) : rcode
      return `${name} ${answer}${server === undefined ? '' : ` from ${server}`}`
    }),
  ]
}

const ways = {
  'cluster-ip': 'cluster IP',
  'external-ip': 'external IP',
  'load-balancer': 'load balancer address',
  'node-port': 'node port',
  pod: 'endpoint',
} as const

function addressLines({ service }: Facts): readonly string[] {
  if (service?.service === undefined) return []
  const { reached, port } = service
  if (reached === undefined) {
    if (service.service.type === 'ExternalName') return [`alias of ${service.service.externalName}`]
    return isHeadless(service.service)
      ? [`${service.key} is headless: its name leads to the pods`]
      : []
  }
  const place = formatHostPort(reached.address, reached.port)
  return [`${place} ${port?.protocol ?? ''}, ${ways[reached.by]} of ${portText(service)}`]
}

function ruleLines({ rules, flows }: Facts): readonly string[] {
  if (rules === undefined) return []
  const { mode, missing, traffic } = rules
  const counters =
    traffic === undefined
      ? ''
      : `; ${count(traffic.connections, 'connection')}, ${count(traffic.packets, 'packet')}, ${count(traffic.bytes, 'byte')} so far`
  return [
    `${mode}: ${missing.length === 0 ? 'all rules are there' : `${missing.length} missing`}${counters}`,
    ...(flows === undefined ? [] : [`conntrack: ${count(flows.total, 'UDP flow')}`]),
  ]
}

function endpointLines({ service, endpoints }: Facts): readonly string[] {
  if (service?.service === undefined || service.service.type === 'ExternalName') return []
  const all = endpointsIn(service.slices)
  const usable = all.filter(isUsable)
  const texts = told(endpoints).map(
    endpoint =>
      `${endpointText(endpoint)}${endpoint.nodeName === undefined ? '' : ` on ${endpoint.nodeName}`}`,
  )
  return [`${count(all.length, 'endpoint')}, ${usable.length} usable`, ...texts]
}

function podLine(endpoint: EndpointFacts): readonly string[] {
  const isHeard = isAnswered(endpoint)
  if (isHeard === undefined) return []
  const seen = endpoint.listening === undefined ? 'takes connections' : 'listens'
  return [`${endpointText(endpoint)} ${isHeard ? seen : 'is closed'}`]
}
