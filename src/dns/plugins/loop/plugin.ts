import { randomInt } from 'node:crypto'
import type { IpAddress } from '#net/ip.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import type { Query } from '../../message.ts'
import type { PluginDefinition, SetupContext } from '../../plugin.ts'
import { noArguments } from '../no-arguments.ts'

/** How long the probe is tried (CoreDNS: 30 s), and the wait between tries, milliseconds. */
const PROBE_MS = 30_000
const RETRY_MS = 2_000
/** In one try the own query arrives when it is sent, and once more if somebody repeats it; a third time is a loop. */
const MAX_ARRIVALS = 2

/**
 * `loop`: finds out at start whether what this server forwards comes back to it, and then ends the server.
 *
 * The probe is asked through the chain and not over the network, as CoreDNS does: it counts the same and needs no address.
 */
export const loopPlugin = (clock: Clock = systemClock): PluginDefinition => ({
  name: 'loop',
  repeatable: false,
  setup([directive], context) {
    if (directive !== undefined) noArguments(directive)
    const zone = context.zones[0] ?? '.'
    // Unpredictable, or a client could ask for it and end the server (CVE-2026-26018).
    const probe = `${randomInt(2 ** 47)}.${randomInt(2 ** 47)}.${zone === '.' ? '' : zone}`
    const stopped = new AbortController()
    let isActive = true
    let arrivals = 0
    return {
      name: 'loop',
      fastPath: true,
      wrap: next => (query, signal) => {
        const isProbe = isActive && query.question.type === 'HINFO' && query.question.name === probe
        if (isProbe && ++arrivals > MAX_ARRIVALS) {
          isActive = false
          stopped.abort()
          const cause = `Loop (${query.client.address}:${query.client.port} -> ${context.server}) detected for zone "${zone}"`
          context.lines.line(
            'FATAL',
            `plugin/loop: ${cause}, see docs/plugins/loop.md. Query: "HINFO ${probe}"`,
          )
          context.fail(
            new Error(
              `loop: what is forwarded for zone ${zone} comes back; look at the upstreams of forward`,
            ),
          )
        }
        return next(query, signal)
      },
      start() {
        const onFailedTry = () => {
          // A server that is not up yet is no loop: the next try counts anew.
          arrivals = 0
        }
        void sendProbe(
          { probe, lookup: context.lookup, clock, onFailedTry },
          stopped.signal,
        ).finally(() => {
          isActive = false
        })
      },
      stop: () => stopped.abort(),
    }
  },
})

/** Asks until there is an answer: then the way out was tried. */
async function sendProbe(
  {
    probe,
    lookup,
    clock,
    onFailedTry,
  }: {
    readonly probe: string
    readonly clock: Clock
    readonly onFailedTry: () => void
  } & Pick<SetupContext, 'lookup'>,
  stopped: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(PROBE_MS)])
  while (!signal.aborted) {
    try {
      await lookup(probeQuery(probe), signal)
      return
    } catch {
      // No upstream yet: there is time.
      onFailedTry()
      await clock.sleep(RETRY_MS, signal).catch(() => undefined)
    }
  }
}

const LOOPBACK = { address: '127.0.0.1' as IpAddress, port: 0 }

const probeQuery = (name: string): Query => ({
  id: randomInt(0x10000),
  question: { name, type: 'HINFO', class: 'IN' },
  opcode: 'QUERY',
  recursionDesired: true,
  checkingDisabled: false,
  authenticData: false,
  edns: undefined,
  transport: 'udp',
  client: LOOPBACK,
  server: LOOPBACK,
})
