import t from 'tap'
import { bindAddresses, type Interfaces } from '../../../src/dns/plugins/bind/plugin.ts'
import { directives } from '../../helper/dns.ts'

const info = (address: string) => ({ address }) as NonNullable<Interfaces[string]>[number]
const interfaces: Interfaces = {
  lo: [info('127.0.0.1'), info('::1')],
  eth0: [info('192.0.2.1'), info('2001:db8::1'), info('fe80::1')],
}

const cases: readonly [config: string, want: readonly string[]][] = [
  ['whoami', []],
  ['bind 127.0.0.1', ['127.0.0.1']],
  ['bind 127.0.0.1 2001:DB8::1', ['127.0.0.1', '2001:db8::1']],
  ['bind eth0', ['192.0.2.1', '2001:db8::1']],
  ['bind lo\nbind eth0', ['127.0.0.1', '::1', '192.0.2.1', '2001:db8::1']],
  ['bind lo eth0 {\n except ::1 192.0.2.1\n}', ['127.0.0.1', '2001:db8::1']],
  ['bind lo 127.0.0.1', ['127.0.0.1', '::1']],
]
for (const [config, want] of cases) {
  t.test(`${JSON.stringify(config)} listens on ${want.join(', ') || 'every address'}`, async t => {
    t.strictSame(bindAddresses(directives(config), interfaces), want)
  })
}

const wrong: readonly [config: string, message: RegExp][] = [
  ['bind', /needs an address or an interface/],
  ['bind eth7', /'eth7' is neither an IP address nor an interface/],
  ['bind lo {\n except lo\n}', /no address is left/],
  ['bind lo {\n only ::1\n}', /unknown option 'only'/],
]
for (const [config, message] of wrong) {
  t.test(`refuses ${JSON.stringify(config)}`, async t => {
    t.throws(() => bindAddresses(directives(config), interfaces), { message })
  })
}
