import t from 'tap'
import { SysctlError } from '#linux/sysctl.ts'
import { dropsInvalid } from '../../src/proxy/invalid-segments.ts'

const cases: readonly {
  readonly title: string
  readonly tcpBeLiberal?: boolean
  /** undefined: conntrack is not loaded. */
  readonly sysctl: string | undefined
  readonly want: boolean
}[] = [
  { title: 'conntrack is strict', sysctl: '0', want: true },
  { title: 'conntrack is liberal', sysctl: '1', want: false },
  { title: 'conntrack is liberal by another number', sysctl: '2', want: false },
  { title: 'conntrack is not loaded, and will be strict', sysctl: undefined, want: true },
  {
    title: 'conntrack is not loaded, and will be made liberal',
    tcpBeLiberal: true,
    sysctl: undefined,
    want: false,
  },
  {
    title: 'it is configured, whatever the kernel says',
    tcpBeLiberal: true,
    sysctl: '0',
    want: false,
  },
]
for (const { title, tcpBeLiberal, sysctl, want } of cases) {
  t.test(`INVALID segments are ${want ? 'dropped' : 'let pass'}: ${title}`, async t => {
    const read = (path: string) => {
      t.equal(path, 'net/netfilter/nf_conntrack_tcp_be_liberal')
      if (sysctl === undefined) throw new SysctlError(path, 'read')
      return sysctl
    }
    t.equal(dropsInvalid({ tcpBeLiberal }, read), want)
  })
}
