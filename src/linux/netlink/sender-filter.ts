/** struct sock_filter: code u16, jump if true u8, jump if false u8, operand u32 (linux/filter.h). */
const INSTRUCTION_BYTES = 8

/** BPF_LD | BPF_W | BPF_ABS: a word of the message, as if it were in network order. */
const LOAD_WORD = 0x20
/** BPF_JMP | BPF_JEQ | BPF_K */
const JUMP_IF_EQUAL = 0x15
/** BPF_RET | BPF_K: how many bytes of the message are kept. */
const RETURN = 0x06

/** Where the sender's port id stands in struct nlmsghdr, in host order. */
const PORT_OFFSET = 12
const EVERYTHING = 0xffff_ffff

/** As many as the jumps of a program reach over, and more than are ever of use. */
export const MAX_FILTERED_PORTS = 64

/**
 * A classic BPF program for a netlink socket that drops what transactions of these ports caused. A datagram of nftables
 * events is of one transaction, so its first message speaks for all.
 */
export function encodeSenderFilter(ports: readonly number[]): Uint8Array {
  const ignored = ports.slice(-MAX_FILTERED_PORTS)
  const program = Buffer.alloc((ignored.length + 3) * INSTRUCTION_BYTES)
  let offset = 0
  const emit = (code: number, ifTrue: number, operand: number) => {
    program.writeUInt16LE(code, offset)
    program.writeUInt8(ifTrue, offset + 2)
    program.writeUInt32LE(operand, offset + 4)
    offset += INSTRUCTION_BYTES
  }
  emit(LOAD_WORD, 0, PORT_OFFSET)
  for (const [index, port] of ignored.entries()) {
    emit(JUMP_IF_EQUAL, ignored.length - index, swapBytes(port))
  }
  emit(RETURN, 0, EVERYTHING)
  emit(RETURN, 0, 0)
  return program
}

function swapBytes(word: number): number {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(word >>> 0)
  return bytes.readUInt32BE()
}
