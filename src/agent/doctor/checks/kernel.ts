import { type Check, fail } from '../finding.ts'

/** Asked of the kernel itself: a feature may be built in, or a module that is loaded when it is needed. */
export const kernelCheck: Check = {
  id: 'kernel',
  ok: 'the kernel and the programs offer what is needed',
  examine: ({ features }) =>
    features.flatMap(({ name, neededBy, whyNot }) =>
      whyNot === undefined
        ? []
        : [fail('kernel', `no ${name}, which ${neededBy} needs: ${whyNot}`, fixOf(name))],
    ),
}

const fixes: Readonly<Record<string, string>> = {
  nftables:
    'apt-get install nftables && modprobe -a nf_tables nft_chain_nat nft_masq nft_numgen nft_fib_inet nft_reject_inet',
  iptables: 'apt-get install iptables && modprobe -a ip_tables iptable_nat xt_comment xt_statistic',
  IPVS: 'modprobe -a ip_vs ip_vs_rr nf_conntrack',
}

const fixOf = (name: string): string => fixes[name] ?? `modprobe ${name}`
