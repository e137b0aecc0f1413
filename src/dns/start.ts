import { DnsServer } from './server/dns-server.ts'
import type { DnsServerOptions } from './server/options.ts'

/**
 * Starts a DNS server; once this resolves it answers.
 * @param options.signal when it is aborted the server stops; wait for {@link DnsServer.ended}.
 * @throws {ConfigError} the Corefile cannot be used. @throws the system error of a failed bind.
 */
export async function startDns(
  options: DnsServerOptions & { readonly signal: AbortSignal },
): Promise<DnsServer> {
  const server = await DnsServer.start(options)
  const stop = () => void server.stop()
  if (options.signal.aborted) stop()
  else options.signal.addEventListener('abort', stop, { once: true })
  return server
}
