import type { EdnsOption } from './message.ts'

/** EDNS option code of Extended DNS Errors (RFC 8914 section 2). */
const OPTION_CODE = 15

/** Info codes that plugins give (RFC 8914 section 4). */
export const EDE = { notReady: 14, blocked: 15, filtered: 17 } as const

/** The option that says more of why an answer is as it is. It goes only to clients that sent an OPT record (RFC 6891 section 7). */
export function extendedError(infoCode: number, text = ''): EdnsOption {
  const data = Buffer.alloc(2 + Buffer.byteLength(text))
  data.writeUInt16BE(infoCode, 0)
  data.write(text, 2)
  return { code: OPTION_CODE, data }
}

/** Why an answer is as it is. */
export type ExtendedError = { readonly infoCode: number; readonly text: string }

/** The extended errors among the options of an answer; one that is cut short is none. */
export const extendedErrorsIn = (options: readonly EdnsOption[]): readonly ExtendedError[] =>
  options
    .filter(({ code, data }) => code === OPTION_CODE && data.length >= 2)
    .map(({ data }) => {
      const octets = Buffer.from(data)
      return { infoCode: octets.readUInt16BE(0), text: octets.toString('utf8', 2) }
    })
