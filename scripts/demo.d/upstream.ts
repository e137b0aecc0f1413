// The outside world's DNS server of the demo: it knows the names under example.test and nothing else.
import { createSocket } from 'node:dgram'
import { parseArgs } from 'node:util'
import { AUTHORITATIVE_ANSWER, decode, encode } from 'dns-packet'

const { address = '127.0.0.1' } = parseArgs({ options: { address: { type: 'string' } } }).values
const records: Readonly<Record<string, string>> = {
  'www.example.test': '203.0.113.80',
  'api.example.test': '203.0.113.81',
}
const NXDOMAIN = 3

const socket = createSocket('udp4')
socket.on('message', (packet, client) => {
  const { id, questions = [] } = decode(packet)
  const [question] = questions
  if (question === undefined) return
  const data = records[question.name.toLowerCase()]
  const answers =
    data !== undefined && question.type === 'A'
      ? [{ type: 'A' as const, name: question.name, ttl: 300, data }]
      : []
  const flags = AUTHORITATIVE_ANSWER | (data === undefined ? NXDOMAIN : 0)
  const reply = encode({
    type: 'response',
    ...(id === undefined ? {} : { id }),
    flags,
    questions,
    answers,
  })
  socket.send(reply, client.port, client.address)
})
socket.bind(53, address)
