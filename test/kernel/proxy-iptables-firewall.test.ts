// Beside a firewall that drops what no rule accepts, as many nodes have one: what mode iptables accepts for Services.
import t from 'tap'
import { eventually } from '../helper/eventually.ts'
import { environmentOf, savedRules } from '../helper/iptables.ts'
import { numbered, outcomesOn, settings, slices } from '../helper/numbered-services.ts'
import { cleanup, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

const net = await Topology.create(1)
t.teardown(() => net[Symbol.asyncDispose]())
const [pod] = net.pods as [TestPod]
const HEALTH_CHECK = 31001
const OTHER = 31002
await Promise.all([serve(pod.namespace, 'a', [8080]), serve(net.node, 'node', [OTHER])])
const outcomes = outcomesOn(net)

/** Drops in both families what no rule of a chain accepts, until it is disposed of. */
async function policyDrop(flavour: string, chain: string): Promise<AsyncDisposable> {
  const set = async (policy: string) => {
    for (const program of ['iptables', 'ip6tables']) {
      await net.node.exec(`${program}-${flavour}`, ['-P', chain, policy])
    }
  }
  await set('DROP')
  return { [Symbol.asyncDispose]: () => set('ACCEPT') }
}

/** The status that the health check answers with to the host outside. */
async function healthCheck(host: string): Promise<string> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${HEALTH_CHECK}/`
  const args = ['-s', '-g', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', url]
  return (await net.outside.exec('curl', args)).stdout
}

for (const flavour of ['nft', 'legacy'] as const) {
  t.test(`${flavour}: beside policy DROP`, async t => {
    const env = await environmentOf(flavour)
    const mode = { mode: 'iptables', masqueradeBit: 17 } as const
    const proxy = new ProxyProcess(net.node, { ...settings, ...mode }, env)
    t.teardown(() => proxy.stop('SIGKILL'))
    const local = { externalTrafficPolicy: 'Local', healthCheckNodePort: HEALTH_CHECK } as const
    proxy.set(numbered(1), ...slices(1, [pod]), numbered(2, local), ...slices(2, [pod]))
    proxy.sync()
    await proxy.programmed()

    for (const [family, nodeIP, bridgeIP, outsideIP] of [
      [4, net.nodeIp4, net.bridgeIp4, net.outsideIp4],
      [6, net.nodeIp6, net.bridgeIp6, net.outsideIp6],
    ] as const) {
      await t.test(`IPv${family}: the health check is answered, other ports are not`, async t => {
        await eventually('it to be open', () => healthCheck(nodeIP).catch(() => undefined))
        const other = { protocol: 'tcp', host: nodeIP, port: OTHER } as const
        t.strictSame(await ask(net.outside, other), [`node ${outsideIP}`])
        // Neighbour discovery comes in as well.
        await net.node.exec(`ip6tables-${flavour}`, ['-A', 'INPUT', '-p', 'icmpv6', '-j', 'ACCEPT'])
        await using _ = await policyDrop(flavour, 'INPUT')
        t.equal(await healthCheck(nodeIP), '200')
        t.strictSame(await ask(net.outside, other), ['TIMEOUT'])
      })

      await t.test(`IPv${family}: what is masqueraded is forwarded, and answers are`, async t => {
        await using _ = await policyDrop(flavour, 'FORWARD')
        for (const protocol of ['tcp', 'udp'] as const) {
          const from = (number: number) =>
            outcomes(net.outside, 'nodePort', { number, family, protocol }, 1)
          t.strictSame(await from(1), [`a ${bridgeIP}`])
          // Under policy Local the source is kept: as with kube-proxy it is the firewall's to let it through.
          t.strictSame(await from(2), ['TIMEOUT'])
        }
      })
    }
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
    await net.node.exec(`ip6tables-${flavour}`, ['-F', 'INPUT'])
  })
}

t.test('where conntrack is liberal nothing is INVALID, and nothing dropped for it', async t => {
  const invalid = async () =>
    (await savedRules(net.node, 'nft')).filter(rule => rule.includes('INVALID')).length
  const env = await environmentOf('nft')
  for (const [liberal, rules] of [
    [1, 0],
    [0, 1],
  ]) {
    const sysctl = `net.netfilter.nf_conntrack_tcp_be_liberal=${liberal}`
    await net.node.exec('sysctl', ['-qw', sysctl])
    const proxy = new ProxyProcess(net.node, { ...settings, mode: 'iptables' }, env)
    t.teardown(() => proxy.stop('SIGKILL'))
    proxy.set(numbered(1))
    proxy.sync()
    await proxy.programmed()
    t.equal(await invalid(), rules)
    await proxy.stop('SIGTERM')
    await cleanup(net.node, env)
  }
})
