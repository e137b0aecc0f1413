import t from 'tap'
import { encodeSenderFilter, MAX_FILTERED_PORTS } from '../../../src/linux/netlink/sender-filter.ts'

/** Runs a classic BPF program (linux/filter.h) as far as the filter uses it: how many bytes are kept. */
function run(program: Uint8Array, message: Buffer): number {
  const code = Buffer.from(program)
  let accumulator = 0
  for (let counter = 0; ; counter++) {
    const at = counter * 8
    const operand = code.readUInt32LE(at + 4)
    const operation = code.readUInt16LE(at)
    if (operation === 0x20) accumulator = message.readUInt32BE(operand)
    else if (operation === 0x15) counter += code[at + (accumulator === operand ? 2 : 3)] as number
    else if (operation === 0x06) return operand
    else throw new Error(`instruction ${operation}`)
  }
}

/** A message of a sender: nlmsg_pid is the last word of the header, in host order. */
function from(port: number): Buffer {
  const message = Buffer.alloc(20)
  message.writeUInt32LE(port, 12)
  return message
}

t.test('messages of the ports are dropped, others kept', async t => {
  const program = encodeSenderFilter([1, 4242, 0xffff_f000])
  for (const port of [1, 4242, 0xffff_f000]) t.equal(run(program, from(port)), 0, `${port}`)
  for (const port of [0, 2, 0x0100_0000, 4243]) t.ok(run(program, from(port)) > 1e6, `${port}`)
  t.ok(run(encodeSenderFilter([]), from(1)) > 1e6)
})

t.test('of too many ports the last ones count', async t => {
  const ports = Array.from({ length: MAX_FILTERED_PORTS + 1 }, (_, index) => index + 1)
  const program = encodeSenderFilter(ports)
  t.ok(run(program, from(1)) > 1e6)
  t.equal(run(program, from(2)), 0)
  t.equal(run(program, from(MAX_FILTERED_PORTS + 1)), 0)
})
