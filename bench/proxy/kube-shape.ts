import { execFileSync } from 'node:child_process'
import { clusterIP, podIP, probePorts } from './cluster.ts'

const TABLE = 'ip kube-shaped'

/** What every packet meets, or the first of each connection, as kube-proxy has it: base chains, and where they lead. */
const FIXED = `
set cluster-ips { type ipv4_addr; }
map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
map service-nodeports { type inet_proto . inet_service : verdict; }
map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
set hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
chain firewall-check {
  ip daddr . meta l4proto . th dport vmap @firewall-ips
}
chain service-endpoints-check {
  ip daddr . meta l4proto . th dport vmap @no-endpoint-services
}
chain nodeport-endpoints-check {
  fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports
}
chain cluster-ips-check {
  ip daddr @cluster-ips reject
}
chain mark-for-masquerade {
  meta mark set meta mark | 0x4000
}
chain services {
  ip daddr @cluster-ips ip saddr != 10.244.0.0/16 jump mark-for-masquerade
  ip daddr . meta l4proto . th dport vmap @service-ips
  fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports
}
chain masquerading {
  meta mark & 0x4000 != 0 meta mark set meta mark ^ 0x4000 masquerade fully-random
  ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
}
chain filter-prerouting-pre-dnat {
  type filter hook prerouting priority -110
  ct state new jump firewall-check
}
chain filter-output-pre-dnat {
  type filter hook output priority -110
  ct state new jump firewall-check
}
chain filter-input {
  type filter hook input priority 0
  ct state new jump nodeport-endpoints-check
  ct state new jump service-endpoints-check
}
chain filter-forward {
  type filter hook forward priority 0
  ct state new jump service-endpoints-check
  ct state new jump cluster-ips-check
}
chain filter-output {
  type filter hook output priority 0
  ct state new jump service-endpoints-check
  ct state new jump cluster-ips-check
}
chain nat-prerouting {
  type nat hook prerouting priority -100
  jump services
}
chain nat-output {
  type nat hook output priority -100
  jump services
}
chain nat-postrouting {
  type nat hook postrouting priority 100
  jump masquerading
}
`

/** The chains of Services, and where the map leads. */
type Shape = {
  readonly chainsOf: (index: number, targets: readonly string[]) => readonly string[]
  /** What takes the endpoint of a Service that has one to another port. */
  readonly change: (index: number, target: string) => string
}

const targetsOf = (index: number, services: number): readonly string[] =>
  index === services
    ? [`127.0.0.1:${probePorts[0]}`]
    : [0, 1].map(number => `${podIP(index, number)}:8080`)

/** A chain for each Service and each endpoint: older kube-proxies, and late ones for Services with session affinity. */
const perEndpoint: Shape = {
  chainsOf(index, targets) {
    const endpoints = targets.map(
      (target, number) => `chain ep-${index}-${number} {\nmeta l4proto udp dnat to ${target}\n}`,
    )
    const picks = targets.map((_, number) => `${number} : goto ep-${index}-${number}`)
    const pick = `numgen random mod ${targets.length} vmap { ${picks.join(', ')} }`
    return [...endpoints, `chain svc-${index} {\n${pick}\n}`]
  },
  change(index, target) {
    const chain = `${TABLE} ep-${index}-0`
    return `flush chain ${chain}\nadd rule ${chain} meta l4proto udp dnat to ${target}\n`
  },
}

/** A chain for each Service, with its endpoints in a map of its own. */
const perService: Shape = {
  chainsOf: (index, targets) => [`chain svc-${index} {\n${balancing(targets)}\n}`],
  change(index, target) {
    const chain = `${TABLE} svc-${index}`
    return `flush chain ${chain}\nadd rule ${chain} ${balancing([target])}\n`
  },
}

function balancing(targets: readonly string[]): string {
  const picks = targets.map((target, number) => `${number} : ${target.replace(':', ' . ')}`)
  const pick = `numgen random mod ${targets.length} map { ${picks.join(', ')} }`
  return `meta l4proto udp dnat ip to ${pick}`
}

function renderRules(shape: Shape, services: number): string {
  const numbers = Array.from({ length: services + 1 }, (_, index) => index)
  const chains = numbers.flatMap(index => shape.chainsOf(index, targetsOf(index, services)))
  const elements = numbers.map(index => `${clusterIP(index)} . udp . 80 : goto svc-${index}`)
  return [
    `table ${TABLE} {`,
    FIXED,
    ...chains,
    '}',
    `add element ${TABLE} service-ips { ${elements.join(', ')} }`,
    `add element ${TABLE} cluster-ips { ${numbers.map(clusterIP).join(', ')} }`,
    '',
  ].join('\n')
}

const nft = (input: string): void => {
  execFileSync('nft', ['-f', '-'], { input, maxBuffer: 2 ** 28 })
}

/** Rules in a shape of kube-proxy's: loaded by one `nft -f`, changed as it would write the change. */
const floorOf = (shape: Shape) => ({
  load: (services: number): void => nft(renderRules(shape, services)),
  change: (services: number, port: number): void =>
    nft(shape.change(services, `127.0.0.1:${port}`)),
})

export const perEndpointFloor = floorOf(perEndpoint)
export const perServiceFloor = floorOf(perService)
