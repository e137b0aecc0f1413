import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { Conntrack } from '#linux/conntrack.ts'
import { exec } from '#linux/exec.ts'
import { type IpAddress, parseIp } from '#net/ip.ts'

/* Deleting UDP flows by where they go, without listing them. */

const here = parseIp('127.0.0.1') as IpAddress
const elsewhere = parseIp('127.0.0.2') as IpAddress
const ports = [1001, 1002, 1003]

// Connections are tracked where some rule asks for their state.
const rules = `add table ip tracked
add chain ip tracked out { type filter hook output priority 0; }
add rule ip tracked out ct state new counter
`
await exec('nft', ['-f', '-'], { input: rules })
const client = createSocket('udp4')
t.teardown(() => client.close())
for (const port of ports) {
  for (const address of [here, elsewhere]) {
    client.send('?', port, address)
  }
}
await once(client, 'listening')

const conntrack = Conntrack.open()
t.teardown(() => conntrack[Symbol.dispose]())

/** Destinations of the flows that are left. */
async function left(): Promise<readonly string[]> {
  const seen: string[] = []
  await conntrack.listUdp({ family: 4 }, ({ destination, destinationPort }) => {
    seen.push(`${destination}:${destinationPort}`)
    return false
  })
  return seen.sort()
}

const path = (to: IpAddress, port: number, from: IpAddress, fromPort = port) => ({
  destination: { address: to, port },
  replySource: { address: from, port: fromPort },
})

const isKnown = (await conntrack.deletePaths(4, [path(here, 9, here)])) !== undefined
const skip = isKnown ? false : 'the kernel (before Linux 6.11) does not delete by a filter'

t.test('flows of a path go, others stay', { skip }, async t => {
  const all = ports.flatMap(port => [`127.0.0.1:${port}`, `127.0.0.2:${port}`]).sort()
  t.strictSame(await left(), all)
  const others = [
    path(here, 1001, elsewhere),
    path(here, 1001, here, 1002),
    path(elsewhere, 1004, elsewhere),
  ]
  t.equal(await conntrack.deletePaths(4, others), 0, 'answered from elsewhere, or sent elsewhere')
  t.strictSame(await left(), all)
  t.equal(await conntrack.deletePaths(4, [path(here, 1001, here)]), 1)
  t.strictSame(
    await left(),
    all.filter(text => text !== '127.0.0.1:1001'),
  )
  const rest = [path(elsewhere, 1001, elsewhere), path(here, 1002, here)]
  t.equal(await conntrack.deletePaths(4, rest), 2)
  t.equal((await left()).length, 3)
})

t.test('of IPv6 the kernel cannot tell addresses apart', async t => {
  const address = parseIp('::1') as IpAddress
  t.equal(await conntrack.deletePaths(6, [path(address, 53, address)]), undefined)
})
