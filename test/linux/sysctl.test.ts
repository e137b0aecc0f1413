import t from 'tap'
import { interfaceSysctl, readSysctl, sysctlPath } from '#linux/sysctl.ts'

t.test('dots in an interface name do not separate folders', async t => {
  t.equal(interfaceSysctl('ipv6', 'eth0.100', 'accept_ra'), 'net/ipv6/conf/eth0.100/accept_ra')
})

for (const part of ['', '.', '..', 'a/b']) {
  t.test(`a part that leads elsewhere is refused: '${part}'`, async t => {
    t.throws(() => sysctlPath('net', part, 'x'), RangeError)
  })
}

t.test('a value is read without its newline', async t => {
  t.match(readSysctl('kernel/ostype'), /^Linux$/)
})

t.test('a sysctl that does not exist is named', async t => {
  t.throws(() => readSysctl('net/nothing'), { message: 'sysctl net/nothing: cannot read' })
})
