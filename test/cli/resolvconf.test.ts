import { readFile } from 'node:fs/promises'
import t from 'tap'
import { run } from '../../src/cli/resolvconf.ts'
import { recordIo } from '../helper/command-io.ts'

const POD = `apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { dnsPolicy: Default }
`
const OTHERS = `apiVersion: v1
kind: Service
metadata: { name: web }
---
${POD}---
apiVersion: v1
kind: List
items:
  - { apiVersion: apps/v1, kind: Deployment, metadata: { name: web } }
  - apiVersion: v1
    kind: Pod
    metadata: { name: db }
    spec:
      dnsPolicy: None
      dnsConfig:
        nameservers: [x]
`

const call = async (args: readonly string[], stdin = '') => {
  const io = recordIo({ stdin })
  return { code: await run(args, io), ...io.written }
}

t.test('the examples of docs/dns-policy.md print what is written there', async t => {
  const page = await readFile(new URL('../../docs/dns-policy.md', import.meta.url), 'utf8')
  const blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, text = '']) => {
    const end = text.indexOf('\n')
    return { language, text, firstLine: text.slice(0, end), rest: text.slice(end + 1) }
  })
  const files = blocks.filter(({ language }) => language !== 'console')
  const directory = t.testdir(
    Object.fromEntries(files.map(({ firstLine, text }) => [firstLine.replace('# ', ''), text])),
  )
  const examples = blocks.filter(({ language }) => language === 'console')
  t.equal(examples.length, 4)
  for (const { firstLine, rest } of examples) {
    // `$ nodeplane resolvconf OPTIONS`
    const args = firstLine.split(' ').slice(3)
    const { all } = await call(
      args.map(word => (/\.(yaml|conf)$/.test(word) ? `${directory}/${word}` : word)),
    )
    t.equal(all.replaceAll(`${directory}/`, ''), rest, firstLine)
  }
})

t.test('-f - reads stdin; stdout has the file alone', async t => {
  const node = t.testdir({ 'node.conf': 'nameserver 192.0.2.53\n' })
  const args = ['-f', '-', '--resolv-conf', `${node}/node.conf`, '--explain']
  t.match(await call(args, POD), {
    code: 0,
    stdout: /^nameserver 192\.0\.2\.53\n$/,
    stderr: /^dnsPolicy Default: .*\nnameserver 192\.0\.2\.53: .*node\.conf:1\n$/,
  })
})

t.test("an empty --resolv-conf: the node itself, for each of the node's addresses", async t => {
  const args = ['-f', '-', '--resolv-conf', '', '--node-ip', 'fd00::1,192.0.2.1']
  t.match(await call(args, POD), {
    code: 0,
    stdout: 'search .\nnameserver ::1\nnameserver 127.0.0.1\n',
  })
})

t.test("nothing configured: the node's file, as the runtime copies it", async t => {
  const content = '# nothing\nsortlist 10.0.0.0\n'
  const directory = t.testdir({ 'node.conf': content })
  const result = await call(['-f', '-', '--resolv-conf', `${directory}/node.conf`], POD)
  t.match(result, { code: 0, stdout: content, stderr: /warning: nothing is configured/ })
})

t.test("more searches than the kubelet's check allows in the node's file", async t => {
  const searches = Array.from({ length: 30 }, (_, index) => `d${index}`).join(' ')
  const directory = t.testdir({ 'node.conf': `search ${searches}\n` })
  const args = ['-f', '-', '--cluster-domain', 'cluster.local', '--resolv-conf']
  const { code, stderr } = await call([...args, `${directory}/node.conf`], POD)
  t.equal(code, 0)
  t.match(stderr, /^nodeplane: warning: CheckLimitsForResolvConf \(node\): .*more than 29\n$/)
})

t.test('a file with several objects: pods only, one of them by name', async t => {
  const resolvConf = ['--resolv-conf', '']
  const nameless = await call(['-f', '-', ...resolvConf], OTHERS)
  t.match(nameless, {
    code: 2,
    stdout: '',
    stderr: /holds 2 pods; name one of shop\/web, default\/db/,
  })
  const named = await call(['-f', '-', 'shop/web', ...resolvConf], OTHERS)
  t.match(named, { code: 0, stdout: 'search .\nnameserver 127.0.0.1\n' })
  const missing = await call(['-f', '-', 'shop/other', ...resolvConf], OTHERS)
  t.match(missing, {
    code: 2,
    stderr: /holds 0 pods called shop\/other, only shop\/web, default\/db/,
  })
})

t.test('a name without namespace is in default; items of a list know their lines', async t => {
  const { code, stdout, stderr } = await call(['-f', '-', 'db'], OTHERS)
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, /^nodeplane: stdin:20:23: spec\.dnsConfig\.nameservers\[0\]: 'x' is not an IP/)
})

t.test('a pod of a directory of manifests, by name', async t => {
  const manifests = t.testdir({ 'all.yaml': OTHERS.replace('[x]', '[192.0.2.9]') })
  const from = ['--manifests', manifests, '--resolv-conf', '']
  t.match(await call(['default/db', ...from]), { code: 0, stdout: 'nameserver 192.0.2.9\n' })
  t.match(await call(['db', ...from]), { code: 0, stdout: 'nameserver 192.0.2.9\n' })
  const missing = await call(['shop/db', ...from])
  t.match(missing, { code: 2, stdout: '', stderr: /has no pod shop\/db/ })
})

t.test('an invalid pod of a directory: the field', async t => {
  const manifests = t.testdir({ 'all.yaml': OTHERS })
  const { code, stderr } = await call(['db', '--manifests', manifests, '--resolv-conf', ''])
  t.equal(code, 2)
  t.match(stderr, /^nodeplane: spec\.dnsConfig\.nameservers\[0\]: 'x' is not an IP/)
})

const directory = t.testdir({ 'bad.conf': 'search a\nnameserver\n' })
const refused: readonly { title: string; args?: readonly string[]; pod?: string; says: RegExp }[] =
  [
    { title: 'no pod is named', args: [], says: /--filename: missing/ },
    {
      title: 'a store without the name of the pod',
      args: ['--manifests', '.'],
      says: /or NAMESPACE\/NAME/,
    },
    {
      title: 'a file and a store',
      args: ['-f', '-', '--manifests', '.'],
      says: /--filename: excludes/,
    },
    { title: 'the pod file is not there', args: ['-f', '/nowhere'], says: /--filename: .*ENOENT/ },
    {
      title: "the node's file is not there",
      args: ['-f', '-', '--resolv-conf', '/nowhere'],
      says: /--resolv-conf: .*ENOENT/,
    },
    {
      title: "the kubelet would fail on the node's file",
      args: ['-f', '-', '--resolv-conf', `${directory}/bad.conf`],
      says: /bad\.conf:2: nameserver without an address/,
    },
    { title: 'bad YAML', pod: 'kind: [Pod', says: /^nodeplane: stdin:\d+:\d+: / },
    { title: 'no Pod in the file', pod: 'kind: Service\n', says: /stdin: holds no Pod/ },
    { title: 'a pod without a name', pod: 'kind: Pod\n', says: /stdin.*metadata\.name: missing/ },
    {
      title: 'a field of a wrong type',
      pod: 'kind: Pod\nmetadata: { name: a }\nspec:\n  hostNetwork: maybe\n',
      says: /stdin:4:3: spec\.hostNetwork: "maybe" is not true or false/,
    },
    {
      title: 'an unknown policy',
      pod: 'kind: Pod\nmetadata: { name: a }\nspec:\n  dnsPolicy: none\n',
      says: /stdin:4:3: spec\.dnsPolicy: 'none' is none of ClusterFirst, /,
    },
    {
      title: 'an address that is none',
      args: ['--cluster-dns', '10.0.0.1,x'],
      says: /'x' is not an IP/,
    },
    { title: 'an unknown option', args: ['--dns'], says: /unknown option '--dns'/ },
  ]
for (const { title, args = ['-f', '-'], pod = POD, says } of refused) {
  t.test(`refused: ${title}`, async t => {
    const { code, stdout, stderr } = await call(args, pod)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, says)
  })
}
