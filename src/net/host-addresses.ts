import { networkInterfaces } from 'node:os'
import { type IpAddress, parseIp } from './ip.ts'

/** An address that a link of this machine has. */
export type HostAddress = {
  readonly link: string
  readonly address: IpAddress
  /** Is the link the loopback one? It may have addresses that others can reach. */
  readonly isOnLoopback: boolean
}

/** The addresses of the links that are up, in their order, as the network namespace of the process has them now. */
export function hostAddresses(): readonly HostAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([link, list = []]) =>
    list.flatMap(({ address: text, internal }) => {
      const address = parseIp(text)
      return address === undefined ? [] : [{ link, address, isOnLoopback: internal }]
    }),
  )
}
