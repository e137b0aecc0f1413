// What runs in the demo's pods: answers HTTP and UDP with its own name and the address it sees its client by.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const { name = 'pod' } = parseArgs({ options: { name: { type: 'string' } } }).values
const HTTP_PORT = 8080
const UDP_PORT = 9000

const plain = (address = '') => address.replace(/^::ffff:/, '')

createServer((request, response) => {
  response.end(`${name} sees ${plain(request.socket.remoteAddress)}\n`)
}).listen(HTTP_PORT, '::')

const udp = createSocket('udp6')
udp.on('message', (_, client) => {
  udp.send(`${name} sees ${plain(client.address)}\n`, client.port, client.address)
})
udp.bind(UDP_PORT, '::')
