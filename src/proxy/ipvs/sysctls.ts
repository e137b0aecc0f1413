/** A sysctl by its path below /proc/sys, and the value that it is to have. */
export type Sysctl = readonly [path: string, value: string]

/** Kernels from 4.1 on know the value 0; from 5.9 on the kernel's own way is right. */
const REUSE_FROM = [4, 1] as const
const REUSE_UNTIL = [5, 9] as const

/** The sysctls that IPVS needs on a kernel of this release (`6.1.0-18-amd64`). Pure. */
export function wantedSysctls(release: string, strictARP: boolean): readonly Sysctl[] {
  return [
    // Connections are tracked, so that iptables can masquerade them.
    ['net/ipv4/vs/conntrack', '1'],
    ...(isBetween(release) ? [['net/ipv4/vs/conn_reuse_mode', '0'] as const] : []),
    // Connections of a destination that is gone end, instead of hanging.
    ['net/ipv4/vs/expire_nodest_conn', '1'],
    // A client is not bound to a destination that gets no more connections.
    ['net/ipv4/vs/expire_quiescent_template', '1'],
    ['net/ipv4/ip_forward', '1'],
    // Nobody on the wire must hear that the dummy link's addresses are here.
    ...(strictARP
      ? ([
          ['net/ipv4/conf/all/arp_ignore', '1'],
          ['net/ipv4/conf/all/arp_announce', '2'],
        ] as const)
      : []),
  ]
}

function isBetween(release: string): boolean {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number)
  const isFrom = ([a, b]: readonly [number, number]) => major > a || (major === a && minor >= b)
  return isFrom(REUSE_FROM) && !isFrom(REUSE_UNTIL)
}
