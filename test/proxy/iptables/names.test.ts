import t from 'tap'
import { isPortChain, portChain } from '../../../src/proxy/iptables/names.ts'

const port = (name: string) =>
  ({ service: `${name}/${name.replace('ns', 'svc')}`, portName: 'p80', protocol: 'TCP' }) as const
const endpoint = (address: string) => ({ address: address as never, port: 80 })

t.test('chains are named as kube-proxy names them', async t => {
  // From the rules that kube-proxy's own tests expect (pkg/proxy/iptables/proxier_test.go).
  t.equal(portChain('SVC', port('ns1')), 'KUBE-SVC-XPGD46QRK7WJZT7O')
  t.equal(portChain('EXT', port('ns2')), 'KUBE-EXT-GNZBNJ2PO5MGZ6GT')
  t.equal(portChain('SVL', port('ns2')), 'KUBE-SVL-GNZBNJ2PO5MGZ6GT')
  t.equal(portChain('FW', port('ns5')), 'KUBE-FW-NUKIZ6OKUXPJNT4C')
  t.equal(portChain('SEP', port('ns1'), endpoint('10.180.0.1')), 'KUBE-SEP-SXIVWICOYRO3J4NJ')
  t.equal(portChain('SEP', port('ns4'), endpoint('10.180.0.5')), 'KUBE-SEP-C6EBXVWJJZMIWKLZ')
})

t.test('an unnamed port, another protocol and another family have names of their own', async t => {
  const names = [
    portChain('SVC', port('ns1')),
    portChain('SVC', { ...port('ns1'), portName: '' }),
    portChain('SVC', { ...port('ns1'), protocol: 'UDP' }),
    portChain('SEP', port('ns1'), endpoint('fd00::1')),
    portChain('SEP', port('ns1'), endpoint('10.0.0.1')),
  ]
  t.equal(new Set(names.map(name => name.slice(9))).size, names.length)
  t.ok(names.every(name => name.length <= 28, 'the kernel takes names of 28 characters'))
})

t.test('fixed chains are not chains of service ports', async t => {
  t.ok(isPortChain('KUBE-FW-NUKIZ6OKUXPJNT4C'))
  for (const name of ['KUBE-SERVICES', 'KUBE-FIREWALL', 'KUBE-POSTROUTING', 'MY-KUBE-SVC-X']) {
    t.notOk(isPortChain(name), name)
  }
})
