import t from 'tap'
import { addressFromReverseName, isReverseZone } from '#dns/zone/reverse-name.ts'

const IP6 = '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.d.f.ip6.arpa.'

t.test('the address of a complete reverse name', async t => {
  for (const [name, address] of [
    ['4.3.2.1.in-addr.arpa.', '1.2.3.4'],
    [IP6, 'fd00:10::7'],
    ['3.2.1.in-addr.arpa.', undefined],
    ['5.4.3.2.1.in-addr.arpa.', undefined],
    ['04.3.2.1.in-addr.arpa.', undefined],
    ['256.3.2.1.in-addr.arpa.', undefined],
    ['in-addr.arpa.', undefined],
    [IP6.slice(2), undefined],
    [`0.${IP6}`, undefined],
    [IP6.replace('7', 'g'), undefined],
    [IP6.replace('7', '77'), undefined],
    ['4.3.2.1.example.org.', undefined],
  ] as const) {
    t.equal(addressFromReverseName(name), address, name)
  }
})

t.test('zones below in-addr.arpa and ip6.arpa are reverse ones', async t => {
  for (const zone of ['in-addr.arpa.', '10.in-addr.arpa.', 'ip6.arpa.', 'd.f.ip6.arpa.']) {
    t.ok(isReverseZone(zone), zone)
  }
  for (const zone of ['cluster.local.', 'arpa.', 'xin-addr.arpa.', 'in-addr.arpa.example.']) {
    t.notOk(isReverseZone(zone), zone)
  }
})
