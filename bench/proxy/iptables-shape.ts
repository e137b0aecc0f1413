import { execFileSync } from 'node:child_process'
import { clusterIP, podIP, probePorts } from './cluster.ts'

type Flavour = 'nft' | 'legacy'

const endpointChain = (index: number, number: number) => `KUBE-SEP-${index}-${number}`
const dnat = (chain: string, target: string) =>
  `-A ${chain} -p udp -j DNAT --to-destination ${target}`

/** Table nat in kube-proxy's shape: a chain for each Service and each endpoint, one list of rules that leads to them. */
function renderTable(services: number): string {
  const chains: string[] = [':KUBE-SERVICES - [0:0]', ':OUTPUT ACCEPT [0:0]']
  const rules: string[] = ['-A OUTPUT -j KUBE-SERVICES']
  for (let index = 0; index <= services; index++) {
    const targets =
      index === services
        ? [`127.0.0.1:${probePorts[0]}`]
        : [0, 1].map(number => `${podIP(index, number)}:8080`)
    const service = `KUBE-SVC-${index}`
    chains.push(`:${service} - [0:0]`)
    rules.push(`-A KUBE-SERVICES -d ${clusterIP(index)}/32 -p udp --dport 80 -j ${service}`)
    for (const [number, target] of targets.entries()) {
      const chain = endpointChain(index, number)
      chains.push(`:${chain} - [0:0]`)
      const isLast = number === targets.length - 1
      const pick = isLast ? '' : '-m statistic --mode random --probability 0.5 '
      rules.push(`-A ${service} ${pick}-j ${chain}`, dnat(chain, target))
    }
  }
  return ['*nat', ...chains, ...rules, 'COMMIT', ''].join('\n')
}

const restore = (flavour: Flavour, input: string): void => {
  const program = `iptables-${flavour}-restore`
  execFileSync(program, ['--noflush'], { input, maxBuffer: 2 ** 28 })
}

/** Loads the rules by one iptables-restore. */
export const loadIptablesShape = (flavour: Flavour, services: number): void =>
  restore(flavour, renderTable(services))

/** The endpoint of the last Service becomes another port: its chain alone is written, as kube-proxy would. */
export function changeIptablesShape(flavour: Flavour, services: number, port: number): void {
  const chain = endpointChain(services, 0)
  const rule = dnat(chain, `127.0.0.1:${port}`)
  restore(flavour, `*nat\n:${chain} - [0:0]\n${rule}\nCOMMIT\n`)
}
