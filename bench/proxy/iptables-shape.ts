import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { clusterIP, podIP, probePorts } from './cluster.ts'

type Flavour = 'nft' | 'legacy'

/** Names of 16 characters, as kube-proxy's. */
const hashOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 16).toUpperCase()
const serviceChain = (index: number) => `KUBE-SVC-${hashOf(String(index))}`
/** Another endpoint has another chain. */
const endpointChain = (index: number, target: string) => `KUBE-SEP-${hashOf(`${index} ${target}`)}`

const probeTarget = (port: number) => `127.0.0.1:${port}`
const targetsOf = (index: number, services: number): readonly string[] =>
  index === services
    ? [probeTarget(probePorts[0])]
    : [0, 1].map(number => `${podIP(index, number)}:8080`)

/** The chains of a Service, without comments, which kube-proxy leaves away in large clusters. */
function renderService(index: number, targets: readonly string[]) {
  const service = serviceChain(index)
  const match = `-d ${clusterIP(index)}/32 -p udp -m udp --dport 80`
  const chains = [service]
  const rules = [`-A ${service} ! -s 10.244.0.0/16 ${match} -j KUBE-MARK-MASQ`]
  for (const [number, target] of targets.entries()) {
    const chain = endpointChain(index, target)
    chains.push(chain)
    const isLast = number === targets.length - 1
    const pick = isLast ? '' : '-m statistic --mode random --probability 0.5 '
    rules.push(
      `-A ${service} ${pick}-j ${chain}`,
      `-A ${chain} -s ${target.split(':')[0]}/32 -j KUBE-MARK-MASQ`,
      `-A ${chain} -p udp -m udp -j DNAT --to-destination ${target}`,
    )
  }
  return { chains: chains.map(declared), rules, jump: `-A KUBE-SERVICES ${match} -j ${service}` }
}

const declared = (chain: string): string => `:${chain} - [0:0]`

/** Table nat in kube-proxy's shape: a chain for each Service and each endpoint, one list of rules that leads to them. */
function renderTable(services: number): string {
  const chains = ['KUBE-SERVICES', 'KUBE-MARK-MASQ', 'KUBE-POSTROUTING'].map(declared)
  const rules = [
    '-A PREROUTING -j KUBE-SERVICES',
    '-A OUTPUT -j KUBE-SERVICES',
    '-A POSTROUTING -j KUBE-POSTROUTING',
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    '-A KUBE-POSTROUTING -j MASQUERADE',
  ]
  for (let index = 0; index <= services; index++) {
    const service = renderService(index, targetsOf(index, services))
    chains.push(...service.chains)
    rules.push(service.jump, ...service.rules)
  }
  return ['*nat', ...chains, ...rules, 'COMMIT', ''].join('\n')
}

const restore = (flavour: Flavour, input: string): void => {
  const program = `iptables-${flavour}-restore`
  execFileSync(program, ['--noflush', '--counters'], { input, maxBuffer: 2 ** 28 })
}

/** Loads the rules by one iptables-restore. */
export const loadIptablesShape = (flavour: Flavour, services: number): void =>
  restore(flavour, renderTable(services))

/**
 * The endpoint of the last Service becomes another port: of all chains those of this Service are written and the former
 * endpoint's deleted, as kube-proxy would by its smallest restore.
 */
export function changeIptablesShape(flavour: Flavour, services: number, port: number): void {
  const { chains, rules } = renderService(services, [probeTarget(port)])
  const formerPort = probePorts.find(other => other !== port) as number
  const former = endpointChain(services, probeTarget(formerPort))
  const lines = ['*nat', ...chains, declared(former), ...rules, `-X ${former}`, 'COMMIT', '']
  restore(flavour, lines.join('\n'))
}
