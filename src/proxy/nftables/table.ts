import type { IpFamily } from '#net/ip.ts'

/** Which table. */
export type Table = { readonly family: IpFamily; readonly name: string }

/** The family's keyword in nft. */
export const nftFamily = (family: IpFamily): 'ip' | 'ip6' => (family === 4 ? 'ip' : 'ip6')

/** `ip nodeplane`: the table as commands name it. */
export const tableText = ({ family, name }: Table): string => `${nftFamily(family)} ${name}`
