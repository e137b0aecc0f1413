import { connect } from 'node:net'
import { Conntrack } from '#linux/conntrack.ts'
import type { IpAddress } from '#net/ip.ts'
import { formatHostPort, parseIp } from '#net/ip.ts'
import { errnoCode } from '#runtime/error.ts'
import { failed, ok, type ProbeResult } from './probe.ts'
import type { ServiceTarget } from './service-choice.ts'

/**
 * Connects to a Service's cluster IP through the node's own rules and leaves at once. A server that does not answer is no fault
 * of the rules: where conntrack shows that they have translated the connection, they work.
 */
export async function probeService(
  { service, host, port }: ServiceTarget,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { reason, local } = await attempt({ host, port }, signal)
  if (reason === undefined) return ok
  if (local !== undefined && (await isTranslated({ host, port }, local))) return ok
  return failed(
    `the cluster IP ${formatHostPort(host, port)} of ${service} leads nowhere: ${reason}`,
  )
}

type Place = { readonly host: IpAddress; readonly port: number }
type Attempt = {
  /** undefined: connected. */
  readonly reason: string | undefined
  /** Where the connection was to come from, if it got so far. */
  readonly local: Place | undefined
}

function attempt({ host, port }: Place, signal: AbortSignal): Promise<Attempt> {
  const { promise, resolve } = Promise.withResolvers<Attempt>()
  const socket = connect({ host, port })
  let local: Place | undefined
  const noteLocal = () => {
    const address = parseIp(socket.localAddress ?? '')
    if (address !== undefined) local ??= { host: address, port: socket.localPort ?? 0 }
  }
  const end = (reason: string | undefined) => {
    resolve({ reason, local })
    // By a reset: a closed connection would be kept in mind by the kernel for minutes.
    if (reason === undefined) socket.resetAndDestroy()
    else socket.destroy()
  }
  // The system call is made in the next tick; from then on the socket has its address.
  setImmediate(noteLocal)
  socket.on('connect', () => end(undefined))
  socket.on('error', error => end(errnoCode(error) ?? error.message))
  const onAbort = () => {
    noteLocal()
    end('no answer')
  }
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}

/** Does the kernel expect the answers from somebody else than was asked? */
async function isTranslated(to: Place, from: Place): Promise<boolean> {
  using conntrack = Conntrack.open()
  const source = await conntrack.tcpReplySource({
    source: from.host,
    sourcePort: from.port,
    destination: to.host,
    destinationPort: to.port,
  })
  return source !== undefined && source !== to.host
}
