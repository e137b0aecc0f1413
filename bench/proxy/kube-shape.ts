import { execFileSync } from 'node:child_process'
import { clusterIP, podIP, probePorts } from './cluster.ts'

const TABLE = 'ip kube-shaped'

/** Rules in the shape of kube-proxy's: a chain for each Service and each endpoint, one map that leads to them. */
function renderRules(services: number): string {
  const numbers = Array.from({ length: services + 1 }, (_, index) => index)
  const chains = numbers.flatMap(index => {
    const isLast = index === services
    const targets = isLast
      ? [`127.0.0.1:${probePorts[0]}`]
      : [0, 1].map(number => `${podIP(index, number)}:8080`)
    const endpoints = targets.map(
      (target, number) => `chain ep-${index}-${number} {\nmeta l4proto udp dnat to ${target}\n}`,
    )
    const picks = targets.map((_, number) => `${number} : goto ep-${index}-${number}`)
    const service = `chain svc-${index} {\nnumgen random mod ${targets.length} vmap { ${picks.join(', ')} }\n}`
    return [...endpoints, service]
  })
  const elements = numbers.map(index => `${clusterIP(index)} . udp . 80 : goto svc-${index}`)
  return [
    `table ${TABLE} {`,
    'map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }',
    ...chains,
    'chain services {\nip daddr . meta l4proto . th dport vmap @service-ips\n}',
    'chain nat-output {\ntype nat hook output priority -100\ngoto services\n}',
    '}',
    `add element ${TABLE} service-ips { ${elements.join(', ')} }`,
    '',
  ].join('\n')
}

const nft = (input: string): void => {
  execFileSync('nft', ['-f', '-'], { input, maxBuffer: 2 ** 28 })
}

/** Loads the rules; the rest of the machine's are gone. */
export function loadKubeShape(services: number): void {
  nft('flush ruleset\n')
  nft(renderRules(services))
}

/** The endpoint of the last Service becomes another port, as kube-proxy would write it. */
export function changeKubeShape(services: number, port: number): void {
  const chain = `${TABLE} ep-${services}-0`
  nft(`flush chain ${chain}\nadd rule ${chain} meta l4proto udp dnat to 127.0.0.1:${port}\n`)
}
