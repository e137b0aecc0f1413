/** A file of an archive. */
export type TarEntry = {
  /** Relative, without `..`; at most 100 bytes. */
  readonly name: string
  readonly content: Buffer
}

/** Bytes of a record (pax(1), "ustar interchange format"). */
const BLOCK_BYTES = 512
const NAME_BYTES = 100

/**
 * A tar archive of files that only their owner may read.
 * @param mtimeSeconds the time that all files get, in seconds since 1970.
 * @throws {RangeError} a name that is too long, or leads elsewhere.
 */
export function tar(entries: readonly TarEntry[], mtimeSeconds: number): Buffer {
  const blocks = entries.flatMap(({ name, content }) => [
    header(name, content.length, mtimeSeconds),
    content,
    Buffer.alloc(-content.length & (BLOCK_BYTES - 1)),
  ])
  // Two empty records are the end.
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK_BYTES)])
}

function header(name: string, size: number, mtimeSeconds: number): Buffer {
  const isUsable = !/^\/|(^|\/)\.\.(\/|$)/.test(name) && Buffer.byteLength(name) <= NAME_BYTES
  if (!isUsable || name === '') throw new RangeError(`not a name in an archive: ${name}`)
  const block = Buffer.alloc(BLOCK_BYTES)
  block.write(name, 0)
  block.write(octal(0o600, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(Math.floor(mtimeSeconds), 12), 136)
  block.write('0', 156)
  block.write('ustar\x0000', 257)
  // The checksum counts its own field as blanks.
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148)
  return block
}

/** A number in a field of `width` bytes, the last of which is zero. */
const octal = (value: number, width: number): string =>
  `${value.toString(8).padStart(width - 1, '0')}\x00`
