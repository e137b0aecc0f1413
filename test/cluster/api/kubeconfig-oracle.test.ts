import { KubeConfig } from '@kubernetes/client-node'
import t from 'tap'
import { type PemPlace, parseKubeconfig } from '#cluster/api/kubeconfig.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const authority = '-----BEGIN CERTIFICATE-----\nauthority'
const certificate = '-----BEGIN CERTIFICATE-----\nclient'
const key = '-----BEGIN PRIVATE KEY-----\nclient'

type Entry = Readonly<Record<string, unknown>>

/** A kubeconfig with this cluster and user besides others, as JSON, which is YAML. */
const kubeconfig = (cluster: Entry, user: Entry | undefined): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'first', cluster: { server: 'https://first.example' } },
      { name: 'used', cluster: { server: 'https://api.example:6443', ...cluster } },
    ],
    users: [
      { name: 'first', user: { token: 'of another' } },
      { name: 'used', user: user ?? {} },
    ],
    contexts: [
      { name: 'first', context: { cluster: 'first', user: 'first' } },
      { name: 'used', context: { cluster: 'used', ...(user && { user: 'used' }) } },
    ],
    'current-context': 'used',
  })

const cases: readonly { title: string; cluster?: Entry; user?: Entry }[] = [
  { title: 'a token', user: { token: 'secret' } },
  { title: 'nobody' },
  { title: 'name and password', user: { username: 'admin', password: 'pass:word' } },
  {
    title: 'an authority in the file',
    cluster: { 'certificate-authority-data': base64(authority) },
    user: { token: 'secret' },
  },
  {
    title: 'an authority in another file',
    cluster: { 'certificate-authority': '/etc/pki/ca.crt' },
    user: { token: 'secret' },
  },
  { title: 'no verification', cluster: { 'insecure-skip-tls-verify': true }, user: { token: 't' } },
  { title: 'a name of the server', cluster: { 'tls-server-name': 'api.internal' } },
  { title: 'a proxy', cluster: { 'proxy-url': 'http://proxy.example:3128' } },
  {
    title: 'a certificate in the file',
    user: {
      'client-certificate-data': base64(certificate),
      'client-key-data': base64(key),
    },
  },
  {
    title: 'a certificate in other files',
    user: { 'client-certificate': '/etc/pki/node.crt', 'client-key': '/etc/pki/node.key' },
  },
]

/** A place as client-node has it: two fields, of which the base64 one goes first. */
const dataOf = (place: PemPlace | undefined) =>
  place && 'text' in place ? base64(place.text) : undefined
const fileOf = (place: PemPlace | undefined) => (place && 'path' in place ? place.path : undefined)

for (const { title, cluster = {}, user } of cases) {
  t.test(`server and user are those that client-node reads: ${title}`, async t => {
    const text = kubeconfig(cluster, user)
    const oracle = new KubeConfig()
    oracle.loadFromString(text)
    const ours = parseKubeconfig(text, '/etc/kubernetes/config')
    const theirCluster = oracle.getCurrentCluster()
    const theirUser = oracle.getCurrentUser()
    t.equal(ours.server, theirCluster?.server)
    t.equal(ours.skipTlsVerify, theirCluster?.skipTLSVerify ?? false)
    t.equal(ours.tlsServerName, theirCluster?.tlsServerName ?? '')
    t.equal(ours.proxyUrl, theirCluster?.proxyUrl ?? '')
    t.equal(dataOf(ours.authority), theirCluster?.caData)
    t.equal(fileOf(ours.authority), theirCluster?.caFile)
    t.equal(ours.user.token, theirUser?.token ?? '')
    t.equal(ours.user.basic?.username, theirUser?.username)
    t.equal(ours.user.basic?.password, theirUser?.password)
    t.equal(dataOf(ours.user.certificate), theirUser?.certData)
    t.equal(fileOf(ours.user.certificate), theirUser?.certFile)
    t.equal(dataOf(ours.user.key), theirUser?.keyData)
    t.equal(fileOf(ours.user.key), theirUser?.keyFile)
  })
}

t.test('an exec plugin is called as client-node would', async t => {
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: 'login',
    args: ['--cluster', 'a'],
    env: [{ name: 'PROFILE', value: 'node' }],
    interactiveMode: 'Never',
  }
  const text = kubeconfig({}, { exec })
  const oracle = new KubeConfig()
  oracle.loadFromString(text)
  const ours = parseKubeconfig(text, '/etc/kubernetes/config').user.exec
  const theirs = oracle.getCurrentUser()?.exec
  t.equal(ours?.command, theirs.command)
  t.strictSame(ours?.args, theirs.args)
  t.strictSame(
    Object.entries(ours?.env ?? {}).map(([name, value]) => ({ name, value })),
    theirs.env,
  )
})
