import { type IpAddress, parseIp } from '#net/ip.ts'

/** A server that zones are copied to or from. */
export type TransferTarget = { readonly address: IpAddress; readonly port: number }

/** `IP`, `IP:PORT` or `[IP]:PORT`; port 53 when there is none. undefined: it is none of them. */
export function parseTarget(text: string): TransferTarget | undefined {
  const bare = parseIp(text)
  if (bare !== undefined) return { address: bare, port: 53 }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const address = parseIp(bracketed ?? plain ?? '')
  const port = Number(digits)
  return address !== undefined && port > 0 && port <= 65_535 ? { address, port } : undefined
}
