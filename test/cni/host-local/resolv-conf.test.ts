import t from 'tap'
import { parseResolvConf } from '#cni/host-local/resolv-conf.ts'

t.test('lists are appended, the last domain counts, comments and other lines do not', async t => {
  const text = [
    '# nameserver 192.0.2.9',
    '; search example.org',
    'nameserver 192.0.2.1',
    '  nameserver\tfd00::53   # the second',
    'domain a.example',
    'domain b.example',
    'search one.example two.example',
    'search three.example',
    'options ndots:5 edns0',
    'options timeout:1',
    'sortlist 10.0.0.0/8',
    'nameserver',
    '',
  ].join('\n')
  t.strictSame(parseResolvConf(text), {
    nameservers: ['192.0.2.1', 'fd00::53'],
    domain: 'b.example',
    search: ['one.example', 'two.example', 'three.example'],
    options: ['ndots:5', 'edns0', 'timeout:1'],
  })
})

t.test('an empty file says nothing', async t => {
  const nothing = { nameservers: [], domain: undefined, search: [], options: [] }
  t.strictSame(parseResolvConf(''), nothing)
})
