/**
 * What modes iptables and ipvs both have, `table chain`, under the same names: the chains whose rules each writes anew
 * when it starts. Who removes what one mode left must leave them to the other when that is in use.
 */
export const sharedChains: ReadonlySet<string> = new Set([
  'nat KUBE-SERVICES',
  'nat KUBE-POSTROUTING',
  'nat KUBE-MARK-MASQ',
  'filter KUBE-FORWARD',
  'filter KUBE-PROXY-FIREWALL',
])

/** Those of them to which the same rules of Linux's chains lead in both modes. */
export const sharedTargets: ReadonlySet<string> = new Set([
  'nat KUBE-SERVICES',
  'nat KUBE-POSTROUTING',
  'filter KUBE-FORWARD',
])
