import t from 'tap'
import { type Report, renderReport, reportOn } from '#agent/why/report.ts'
import { printable } from '../../../src/cli/output/table.ts'
import { endpointFacts, facts, ip } from '../../helper/why-facts.ts'

const plain = { severity: (_: string, text = '') => text, bold: (text: string) => text, printable }
const lines = (report: Report) => renderReport(report, plain).split('\n')

t.test('the first line names the cause, the second what to do; then the way', async t => {
  const traffic = { connections: 1, packets: 2, bytes: 300 }
  const [cause, fix, empty, ...way] = lines(
    reportOn([
      facts({
        endpoints: [endpointFacts({ listening: [{ address: ip('0.0.0.0'), port: 9090 }] })],
        rules: { mode: 'nftables', missing: [], traffic },
      }),
    ]),
  )
  t.equal(
    cause,
    'CAUSE: default/web sends to 10.244.1.2:8080 (default/web-a), but the pod listens on 9090 [wrong-target-port]',
  )
  t.match(fix, /^FIX: set targetPort/)
  t.equal(empty, '')
  t.strictSame(way, [
    'OK    view      https://api:6443: live',
    'OK    client    pod default/client, 10.244.1.9, eth0 mtu 1500, veth1 of br0 mtu 1500, hairpin on',
    'OK    name      resolver 10.96.0.10, ndots:5, search default.svc.cluster.local svc.cluster.local cluster.local (dnsPolicy ClusterFirst)',
    '                web.default.svc.cluster.local. 10.96.0.10',
    'OK    address   10.96.0.10:80 TCP, cluster IP of default/web',
    'OK    rule      nftables: all rules are there; 1 connection, 2 packets, 300 bytes so far',
    '                conntrack: 0 UDP flows',
    'OK    endpoint  1 endpoint, 1 usable',
    '                10.244.1.2:8080 (default/web-a) on node-1',
    'OK    route     10.244.1.2: 10.244.1.0/24 dev br0 mtu 1500, eth0 mtu 1500, veth1 of br0 mtu 1500, hairpin on',
    'FAIL  pod       10.244.1.2:8080 (default/web-a) is closed',
    '',
  ])
})

t.test('what else is wrong stands below', async t => {
  const report = reportOn([
    facts({
      endpoints: [endpointFacts({ listening: [] })],
      rules: { mode: 'nftables', missing: ['x'] },
    }),
  ])
  const [cause, , also] = lines(report)
  t.match(cause, /\[rule-missing\]$/)
  t.match(also, /^ALSO: .*\[pod-not-listening\]$/)
})

t.test('nothing wrong', async t => {
  const report = reportOn([facts()])
  t.equal(report.cause, undefined)
  t.equal(lines(report)[0], 'OK: nothing wrong found between pod default/client and web:80')
})

t.test('of several ports and families the one with a fault is told', async t => {
  const deaf = facts({ endpoints: [endpointFacts({ listening: [] })] })
  t.equal(reportOn([facts(), deaf]).cause, 'pod-not-listening')
})

t.test('a name cannot begin a line', async t => {
  const report = reportOn([facts({ rules: { mode: 'nftables', missing: ['x\nOK: fine'] } })])
  t.match(lines(report)[0], /x\?OK: fine/)
})
