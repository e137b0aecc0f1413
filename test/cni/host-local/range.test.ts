import t from 'tap'
import { checkRangeSets, formatRangeSet, type RangeSet, rangeFrom } from '#cni/host-local/range.ts'
import type { CniVersion } from '#cni/spec/version.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

type Written = { subnet: string; rangeStart?: string; rangeEnd?: string; gateway?: string }

const range = ({ subnet, ...ips }: Written) =>
  rangeFrom({
    path: 'ipam.ranges[0][0]',
    subnet: parsePrefix(subnet) as IpPrefix,
    ...(ips as Record<string, IpAddress>),
  })

const canonical: readonly { written: Written; want: string; gateway: string }[] = [
  { written: { subnet: '10.22.0.0/29' }, want: '10.22.0.1-10.22.0.6', gateway: '10.22.0.1' },
  { written: { subnet: '10.22.0.0/30' }, want: '10.22.0.1-10.22.0.2', gateway: '10.22.0.1' },
  // IPv6 has no broadcast: the all-ones address may be handed out.
  { written: { subnet: 'fd00::/126' }, want: 'fd00::1-fd00::3', gateway: 'fd00::1' },
  {
    written: {
      subnet: '10.0.0.0/8',
      rangeStart: '10.1.0.0',
      rangeEnd: '10.1.0.0',
      gateway: '192.0.2.1',
    },
    want: '10.1.0.0-10.1.0.0',
    gateway: '192.0.2.1',
  },
]
for (const { written, want, gateway } of canonical) {
  t.test(`${JSON.stringify(written)} is ${want}`, async t => {
    t.equal(formatRangeSet([range(written)]), want)
    t.equal(range(written).gateway, gateway)
  })
}

const refused: readonly { written: Written; message: RegExp }[] = [
  { written: { subnet: '10.22.0.1/24' }, message: /host bits set/ },
  { written: { subnet: '10.22.0.0/31' }, message: /too small to allocate from/ },
  { written: { subnet: '10.22.0.0/32' }, message: /too small to allocate from/ },
  { written: { subnet: 'fd00::/127' }, message: /too small to allocate from/ },
  {
    written: { subnet: '10.0.0.0/24', rangeStart: '10.0.1.0' },
    message: /rangeStart 10\.0\.1\.0 is not in/,
  },
  {
    written: { subnet: '10.0.0.0/24', rangeEnd: 'fd00::1' },
    message: /rangeEnd fd00::1 is not in/,
  },
  {
    written: { subnet: '10.0.0.0/24', rangeStart: '10.0.0.9', rangeEnd: '10.0.0.8' },
    message: /rangeStart is after rangeEnd/,
  },
]
for (const { written, message } of refused) {
  t.test(`refused: ${JSON.stringify(written)}`, async t => {
    t.throws(() => range(written), { cniCode: 7, message })
    t.throws(() => range(written), { message: /^ipam\.ranges\[0\]\[0\]: / })
  })
}

const set = (...written: readonly Written[]): RangeSet => written.map(range)
const low = { subnet: '10.0.0.0/24', rangeEnd: '10.0.0.127' }
const high = { subnet: '10.0.0.0/24', rangeStart: '10.0.0.128' }
const six = { subnet: 'fd00::/64' }

const sets: readonly {
  title: string
  sets: readonly RangeSet[]
  version?: CniVersion
  message?: RegExp
}[] = [
  { title: 'both halves of a subnet, and the other family', sets: [set(low, high), set(six)] },
  { title: 'two sets of a family', sets: [set(low), set(high)], version: '0.3.0' },
  {
    title: 'two sets of a family before 0.3.0',
    sets: [set(low), set(high)],
    version: '0.2.0',
    message: /0\.2\.0 .* 1 address per family/,
  },
  { title: 'one set per family before 0.3.0', sets: [set(low), set(six)], version: '0.1.0' },
  { title: 'no set', sets: [], message: /no IP ranges/ },
  { title: 'a set without a range', sets: [[]], message: /no range/ },
  { title: 'both families in a set', sets: [set(low, six)], message: /mixes/ },
  {
    title: 'an overlap within a set',
    sets: [set(low, { subnet: '10.0.0.0/16' })],
    message: /overlaps/,
  },
  {
    title: 'an overlap between sets',
    sets: [set(high), set(low), set({ subnet: '10.0.0.0/16' })],
    message: /overlaps/,
  },
]
for (const { title, sets: checked, version = '1.1.0', message } of sets) {
  t.test(`${message ? 'refused' : 'allowed'}: ${title}`, async t => {
    if (message === undefined) checkRangeSets(checked, version)
    else t.throws(() => checkRangeSets(checked, version), { cniCode: 7, message })
  })
}
