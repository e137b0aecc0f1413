import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import type { TestNamespace } from './namespace.ts'

/** A bridge network's configuration: both families, a gateway, addresses by host-local. */
export const bridgeConfig = (
  dataDir: string,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> => ({
  cniVersion: '1.0.0',
  name: 'net',
  type: 'bridge',
  bridge: 'cni0',
  isDefaultGateway: true,
  ipam: hostLocal(dataDir),
  ...changes,
})

/** host-local with one range set for each subnet. */
export const hostLocal = (
  dataDir: string,
  subnets: readonly string[] = ['10.22.0.0/24', 'fd00:22::/64'],
): Record<string, unknown> => ({
  type: 'host-local',
  dataDir,
  ranges: subnets.map(subnet => [{ subnet }]),
})

/** The addresses that are reserved in a host-local store, sorted. */
export function leasesIn(dataDir: string, network = 'net'): readonly string[] {
  return readdirSync(join(dataDir, network))
    .filter(name => /^[0-9a-f]*[.:][0-9a-f.:]+$/.test(name))
    .sort()
}

/** Names of a namespace's links without loopback. */
export async function linksOf(namespace: TestNamespace): Promise<readonly string[]> {
  const list = JSON.parse(await namespace.ip('-j link')) as { ifname: string }[]
  return list.map(({ ifname }) => ifname).filter(name => name !== 'lo')
}

const ECHO_SERVER = `require('node:net').createServer({ allowHalfOpen: true }, socket => {
  // A client that gave up must not end the server.
  socket.on('error', () => {})
  socket.write(socket.remoteAddress + ' ')
  socket.pipe(socket)
}).listen(7777, process.argv[1])`

const ECHO_CLIENT = `const socket = require('node:net').connect(7777, process.argv[1])
socket.setTimeout(5000, () => process.exit(1))
socket.pipe(process.stdout)
socket.end('hello')`

/** What an echo server in `to` says over TCP to a client in `from`: the client's address as it saw it, and `hello`. */
export async function echo(
  from: TestNamespace,
  to: TestNamespace,
  address: string,
): Promise<string> {
  const server = to.spawn(process.execPath, ['-e', ECHO_SERVER, address], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  // Asked for at once: a server that ends by itself has ended before anyone waits for it.
  const ended = once(server, 'exit')
  try {
    return await eventually(
      `an echo from ${address}`,
      async () => {
        return (await from.exec(process.execPath, ['-e', ECHO_CLIENT, address])).stdout
      },
      20_000,
    )
  } finally {
    server.kill('SIGKILL')
    await ended
  }
}
