import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { Topology } from '../helper/topology.ts'
import { ask, serve } from '../helper/traffic.ts'

// A container that is not privileged, where /proc/sys cannot be written.
const net = await Topology.create(1)
t.teardown(() => net[Symbol.asyncDispose]())
const [pod] = net.pods as [(typeof net.pods)[0]]
await serve(pod.namespace, 'web', [8080])

const OBJECTS = `
apiVersion: v1
kind: Node
metadata: { name: node-a }
status: { addresses: [{ type: InternalIP, address: ${net.nodeIp4} }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  type: NodePort
  clusterIP: 10.96.0.20
  ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [{ addresses: ["${pod.ip4}"] }]
`
const directory = t.testdir({ 'all.yaml': OBJECTS })
const OPTIONS = ['--manifests', directory, '--hostname-override=node-a']
const READ_ONLY =
  'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"'

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** `nodeplane proxy …` on the node, in a mount namespace of its own. */
function start(args: readonly string[], { readOnly = false } = {}) {
  const program = [process.execPath, MAIN, 'proxy', ...args]
  const words = readOnly ? ['sh', '-c', READ_ONLY, 'sh', ...program] : program
  const child = spawn('ip', ['netns', 'exec', net.node.name, ...words])
  t.teardown(() => child.kill('SIGKILL'))
  const texts = Promise.all([child.stdout, child.stderr].map(stream => text(stream)))
  const ended = once(child, 'exit').then(async ([code]): Promise<Ended> => {
    const [stdout = '', stderr = ''] = await texts
    return { code: code as number | null, stdout, stderr }
  })
  return { child, ended }
}
const run = (args: readonly string[], options?: { readOnly: boolean }) => start(args, options).ended

const answers = async (host: string, port: number) =>
  (await ask(net.node, { protocol: 'tcp', host, port }))[0]
const isServed = async (host: string, port: number) =>
  (await answers(host, port))?.startsWith('web ') === true
const sysctl = async (name: string) =>
  (await net.node.exec('sysctl', ['-n', `net.${name}`])).stdout.trim()
const ESTABLISHED = 'netfilter.nf_conntrack_tcp_timeout_established'
const ROUTE_LOCALNET = 'ipv4.conf.all.route_localnet'

for (const mode of ['iptables', 'nftables']) {
  const options = [...OPTIONS, `--proxy-mode=${mode}`]
  const localhost = mode === 'nftables' ? ['--nodeport-addresses=127.0.0.0/8,192.168.50.0/24'] : []
  const all = [...options, ...localhost]

  t.test(`mode ${mode}: a start that cannot route 127.0.0.0/8 serves the rest`, async t => {
    await net.node.exec('sysctl', ['-qw', `net.${ROUTE_LOCALNET}=0`])
    const proxy = start(all, { readOnly: true })
    await eventually('the Service to answer', () => isServed('10.96.0.20', 80))
    t.ok(await isServed(net.nodeIp4, 30080))
    t.notOk(await isServed('127.0.0.1', 30080))
    for (const readOnly of [true, false]) {
      const { code, stdout } = await run(['diff', ...all], { readOnly })
      t.strictSame([code, stdout.slice(0, 13)], [0, 'no difference'], `diff: ${stdout}`)
    }
    t.equal(await sysctl(ROUTE_LOCALNET), '0', 'the diff has written nothing')
    proxy.child.kill('SIGTERM')
    const { code, stderr } = await proxy.ended
    t.equal(code, 0)
    t.match(stderr, /route_localnet: cannot write.*node ports will not answer on localhost/)
    t.match(await run(['--cleanup']), { code: 0 })
  })

  t.test(`mode ${mode}: --init-only writes what such a start cannot`, async t => {
    const timeout = ['--conntrack-max-per-core=0', '--conntrack-tcp-timeout-established=7h']
    await net.node.exec('sysctl', ['-qw', `net.${ESTABLISHED}=600`])
    t.match(await run(['--init-only', ...all, ...timeout]), { code: 0, stdout: '' })
    t.equal(await sysctl(ROUTE_LOCALNET), '1')
    t.equal(await sysctl(ESTABLISHED), String(7 * 3600))
    t.notMatch((await net.node.exec('nft', ['list', 'ruleset'])).stdout, /KUBE|nodeplane/)
    const proxy = start([...all, ...timeout], { readOnly: true })
    await eventually('the node port to answer on loopback', () => isServed('127.0.0.1', 30080))
    t.match(await run(['diff', ...all], { readOnly: true }), { code: 0 })
    proxy.child.kill('SIGTERM')
    const { code, stderr } = await proxy.ended
    t.equal(code, 0)
    t.notMatch(stderr, /node ports will not answer/)
    t.match(await run(['--cleanup']), { code: 0 })
  })
}
