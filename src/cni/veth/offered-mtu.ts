import { readFile } from 'node:fs/promises'
import { OFFERED_MTU_FILE } from '#runtime/offered-mtu.ts'

/** The least that IPv4 needs (RFC 791), and the most that a packet has. */
const MTU_RANGE = { min: 68, max: 65535 } as const

/**
 * The configuration with the MTU that the agent's routes offer, where it has none of its own: with the kernel's 1500,
 * connections through a tunnel would depend on the network's word of packets too big.
 */
export async function withOfferedMtu<T extends { readonly mtu: number | undefined }>(
  config: T,
  file: string = OFFERED_MTU_FILE,
): Promise<T> {
  return config.mtu === undefined ? { ...config, mtu: await offeredMtu(file) } : config
}

/** No file, or no number in it: nothing is offered. */
async function offeredMtu(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const mtu = /^[0-9]{2,5}\n?$/.test(text) ? Number(text) : 0
  return mtu >= MTU_RANGE.min && mtu <= MTU_RANGE.max ? mtu : undefined
}
