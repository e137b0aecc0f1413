import t from 'tap'
import { encodeIfb } from '#linux/netlink/ifb.ts'
import { burstTicks, decodeQdisc, encodeIngress, encodeTokenBucket } from '#linux/netlink/qdisc.ts'
import { decodeRedirect, encodeRedirect } from '#linux/netlink/redirect.ts'

// struct tcmsg: family u8, padding u8 and u16, index i32, handle u32, parent u32, info u32; then attributes.
const encodings: readonly { title: string; bytes: Buffer; want: readonly string[] }[] = [
  {
    title:
      'a token bucket: TCA_KIND 1, TCA_OPTIONS 2 { TBF_PARMS 1, TBF_BURST 6 }, at the root, handle 1:',
    bytes: encodeTokenBucket(7, { rate: 125_000, burst: 10_000, limit: 13_125 }),
    want: [
      '00000000 07000000 00000100 ffffffff 00000000',
      '0800 0100 74626600',
      '3400 0280',
      // tc_ratespec: cell log, link layer Ethernet, overhead, cell align, mpu, rate; the peak rate's is zero.
      '2800 0100 00 01 0000 0000 0000 48e80100 000000000000000000000000',
      // limit 13125; 10,000 bytes at 125,000 a second: 80 ms, 1,250,000 ticks; mtu
      '45330000 d0121300 00000000',
      '0800 0600 10270000',
    ],
  },
  {
    title:
      'more than 4 GiB/s: the small field is full, TBF_RATE64 4 has the rate; buffer and limit end at 32 bits',
    bytes: encodeTokenBucket(7, {
      rate: 5_000_000_000,
      burst: 4_294_967_294,
      limit: 9_000_000_000,
    }),
    want: [
      '00000000 07000000 00000100 ffffffff 00000000',
      '0800 0100 74626600',
      '4000 0280',
      '2800 0100 00 01 0000 0000 0000 ffffffff 000000000000000000000000',
      'ffffffff cccccc00 00000000',
      '0800 0600 feffffff',
      '0c00 0400 00f2052a01000000',
    ],
  },
  {
    title: 'an ingress qdisc: parent ffff:fff1, handle ffff:',
    bytes: encodeIngress(7),
    want: ['00000000 07000000 0000ffff f1ffffff 00000000', '0c00 0100 696e677265737300'],
  },
  {
    title:
      'a redirection: u32 { ACT 7 { 1 { KIND mirred, OPTIONS { PARMS 2 }}}, SEL 5 }, priority 1, all protocols',
    bytes: encodeRedirect(7, 9),
    want: [
      '00000000 07000000 00000000 0000ffff 00030100',
      '0800 0100 75333200',
      '6000 0280',
      '3800 0780 3400 0180 0b00 0100 6d697272656400 00 2400 0280',
      // tc_mirred: index, capabilities, action stolen, two counters, egress redirection, link 9
      '2000 0200 00000000 00000000 04000000 00000000 00000000 01000000 09000000',
      // tc_u32_sel: terminal, one key, which is all zero
      '2400 0500 01000100 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
    ],
  },
  {
    title: 'an ifb: LINKINFO 18 { KIND ifb, DATA }',
    bytes: encodeIfb({ name: 'ifb', mtu: 1400 }),
    want: [
      '00000000 00000000 00000000 00000000',
      '0800 0300 69666200',
      '0800 0400 78050000',
      '1000 1280 0800 0100 69666200 0400 0280',
    ],
  },
]

for (const { title, bytes, want } of encodings) {
  t.test(`encode: ${title}`, async t => {
    t.equal(bytes.toString('hex'), want.join('').replaceAll(' ', ''))
  })
}

t.test('a description of a token bucket is read', async t => {
  const bucket = { rate: 125_000, burst: 10_000, limit: 13_125 }
  const { rate, limit } = bucket
  t.strictSame(decodeQdisc(encodeTokenBucket(7, bucket)), {
    linkIndex: 7,
    kind: 'tbf',
    place: 'root',
    bucket: { rate, limit, burstTicks: 1_250_000 },
  })
  const fast = { ...bucket, rate: 5_000_000_000 }
  t.equal(decodeQdisc(encodeTokenBucket(7, fast)).bucket?.rate, fast.rate)
  t.strictSame(decodeQdisc(encodeIngress(7)), { linkIndex: 7, kind: 'ingress', place: 'ingress' })
})

t.test('the target of a redirection is read', async t => {
  t.equal(decodeRedirect(encodeRedirect(7, 9)), 9)
  t.equal(decodeRedirect(encodeIngress(7)), undefined)
})

t.test('a bucket that takes longer to fill than 32 bits of ticks is not cut', async t => {
  t.equal(burstTicks({ rate: 125_000, burst: 536_870_911, limit: 0 }), 67_108_863_875)
})
