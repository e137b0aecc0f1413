import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { listeningSockets, parseSockets } from '#linux/listening-sockets.ts'

// Written by hand after Documentation/networking/proc_net_tcp.rst, for a little endian machine.
const table = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   2: 0201F40A:0050 0901F40A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1
   3: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 0A 0 0 0
   nonsense
`

t.test('sockets of a state, both families', async t => {
  t.strictSame(parseSockets(table, '0A'), [
    { address: '127.0.0.1', port: 8080 },
    { address: '0.0.0.0', port: 80 },
    { address: '::1', port: 53 },
  ])
})

t.test('a server of this process is among them', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.ok(
    listeningSockets('tcp').some(socket => socket.port === port && socket.address === '127.0.0.1'),
  )
})
