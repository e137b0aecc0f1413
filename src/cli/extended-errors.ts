import type { ExtendedError } from '#dns/extended-error.ts'

/** By their info codes (RFC 8914 section 4). */
const names: readonly string[] = [
  'Other Error',
  'Unsupported DNSKEY Algorithm',
  'Unsupported DS Digest Type',
  'Stale Answer',
  'Forged Answer',
  'DNSSEC Indeterminate',
  'DNSSEC Bogus',
  'Signature Expired',
  'Signature Not Yet Valid',
  'DNSKEY Missing',
  'RRSIGs Missing',
  'No Zone Key Bit Set',
  'NSEC Missing',
  'Cached Error',
  'Not Ready',
  'Blocked',
  'Censored',
  'Filtered',
  'Prohibited',
  'Stale NXDOMAIN Answer',
  'Not Authoritative',
  'Not Supported',
  'No Reachable Authority',
  'Network Error',
  'Invalid Data',
]

/** `15 (Blocked): by policy` */
export function extendedErrorText({ infoCode, text }: ExtendedError): string {
  const name = names[infoCode]
  return [`${infoCode}${name === undefined ? '' : ` (${name})`}`, text].filter(Boolean).join(': ')
}
