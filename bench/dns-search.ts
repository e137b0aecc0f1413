import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { outsideNameOf, RunningServer, upstream } from './dns-servers.ts'
import { Stub } from './dns-stub.ts'

// A name of elsewhere under ndots:5, as resolv.conf of a Pod has it: round trips, questions and look-ups a second, where the stub
// walks the search list and where the server does (autopath, or pods_policy with a Pod of this address). Needs scripts/build and
// the Debian package knot.
// Run: scripts/in-namespace.sh node bench/dns-search.ts [--seconds S]

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    dist: { type: 'string', default: join(import.meta.dirname, '../dist') },
  },
})
const PORT = 5301
const UPSTREAM_PORT = 5300
const NAMES = 1000
/** Look-ups at a time. */
const AT_ONCE = 50
const search = ['shop.svc.cluster.local.', 'svc.cluster.local.', 'cluster.local.', '']

const pod = `apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop }
spec: { nodeName: here, containers: [{ name: client, image: client }] }
status: { phase: Running, podIP: 127.0.0.1, podIPs: [{ ip: 127.0.0.1 }] }
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
`

type Walk = { roundTrips: number; questions: number }

/** Looks a name up as a C library does: A and AAAA at once, one name of the list after the other. */
async function lookUp(stub: Stub, name: string, walk: Walk): Promise<void> {
  for (const suffix of search) {
    walk.roundTrips++
    walk.questions += 2
    const full = `${name}.${suffix}`
    const answers = await Promise.all(['A', 'AAAA'].map(type => stub.ask(full, type)))
    if (answers.some(({ rcode }) => rcode === 'NOERROR')) return
  }
  throw new Error(`${name} is nowhere`)
}

async function measure(title: string, stub: Stub): Promise<void> {
  for (let at = 0; at < NAMES; at++)
    await lookUp(stub, outsideNameOf(at), { roundTrips: 0, questions: 0 })
  const walk: Walk = { roundTrips: 0, questions: 0 }
  let count = 0
  const endMs = performance.now() + Number(values.seconds) * 1000
  const work = async () => {
    while (performance.now() < endMs) await lookUp(stub, outsideNameOf(count++ % NAMES), walk)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const [roundTrips, questions] = [walk.roundTrips, walk.questions].map(sum => sum / count)
  const perSecond = (count / Number(values.seconds)).toFixed(0)
  console.log(
    `${title}: ${roundTrips} round trips, ${questions} questions, ${perSecond} look-ups/s`,
  )
}

await using stack = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'nodeplane-bench-'))
stack.defer(() => rm(folder, { recursive: true }))
await mkdir(join(folder, 'manifests'))
await writeFile(join(folder, 'manifests/pod.yaml'), pod)
const place = { folder, port: UPSTREAM_PORT, upstreamPort: UPSTREAM_PORT, names: NAMES }
const ready = { port: UPSTREAM_PORT, name: outsideNameOf(1), core: 1 }
stack.use(await RunningServer.start(await upstream(place), ready))
const podsPolicy = `pods_policy {
    node here
    manifests ${folder}/manifests
    cluster_domain cluster.local
    cluster_dns 127.0.0.1\n  }`
for (const [number, [title, plugin]] of [
  ['the stub walks the list', ''],
  ['the server walks it (autopath)', 'autopath @kubernetes'],
  ['the server walks it (pods_policy)', podsPolicy],
].entries()) {
  const port = PORT + number
  const conf = join(folder, `Corefile-${port}`)
  const kubernetes = `kubernetes cluster.local {\n    manifests ${folder}/manifests\n    pods verified\n  }`
  const plugins = `${kubernetes}\n  ${plugin}\n  cache 30\n  forward . 127.0.0.1:${UPSTREAM_PORT}`
  await writeFile(conf, `.:${port} {\n  bind 127.0.0.1\n  ${plugins}\n}\n`)
  const command = [join(resolve(values.dist), 'nodeplane'), 'dns', '--conf', conf]
  await using _server = await RunningServer.start(command, { port, name: outsideNameOf(1) })
  using stub = new Stub(port)
  await measure(title ?? '', stub)
}
