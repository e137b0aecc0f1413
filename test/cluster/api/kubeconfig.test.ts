import t from 'tap'
import { parseKubeconfig } from '#cluster/api/kubeconfig.ts'
import { ConfigError } from '#runtime/error.ts'

const pem = '-----BEGIN CERTIFICATE-----\n'
const pemBase64 = Buffer.from(pem).toString('base64')

/** A kubeconfig whose cluster and user have these fields, in YAML's flow form. */
const config = ({ cluster = '', user = '', server = 'https://api:6443' } = {}) => `apiVersion: v1
kind: Config
current-context: main
contexts:
- name: main
  context: {cluster: c, user: u, namespace: ignored}
- name: other
  context: {cluster: d, user: ""}
clusters:
- name: c
  cluster: {server: "${server}", ${cluster}}
- name: d
  cluster: {server: http://d}
users:
- name: u
  user: {${user}}
`

t.test('the current context, with paths relative to the folder of the file', async t => {
  const text = config({
    cluster: 'certificate-authority: ca.crt, tls-server-name: name, proxy-url: http://proxy',
    user: 'tokenFile: /abs/token, client-certificate: ../c.crt, client-key: c.key',
  })
  t.strictSame(parseKubeconfig(text, '/etc/node/config'), {
    server: 'https://api:6443',
    authority: { path: '/etc/node/ca.crt' },
    skipTlsVerify: false,
    tlsServerName: 'name',
    proxyUrl: 'http://proxy',
    user: {
      token: '',
      tokenFile: '/abs/token',
      basic: undefined,
      certificate: { path: '/etc/c.crt' },
      key: { path: '/etc/node/c.key' },
      exec: undefined,
    },
  })
})

t.test('another context by name; one without user is anonymous', async t => {
  const read = parseKubeconfig(config({ user: 'as: root' }), 'f', 'other')
  t.equal(read.server, 'http://d')
  t.equal(read.user.token, '')
})

t.test('what is embedded goes before a file', async t => {
  const text = config({
    cluster: `certificate-authority: ca.crt, certificate-authority-data: ${pemBase64}`,
  })
  t.strictSame(parseKubeconfig(text, 'f').authority, { text: pem })
})

t.test('fields that nobody knows are ignored, as client-go does', async t => {
  t.doesNotThrow(() => parseKubeconfig(config({ cluster: 'new: 1', user: 'extensions: []' }), 'f'))
})

t.test('an exec plugin: a path is relative to the file, a name is not', async t => {
  const version = 'apiVersion: client.authentication.k8s.io/v1beta1'
  const read = (command: string) =>
    parseKubeconfig(config({ user: `exec: {command: ${command}, ${version}}` }), '/etc/k/f').user
      .exec
  t.equal(read('./login')?.command, '/etc/k/login')
  t.equal(read('login')?.command, 'login')
  t.strictSame(read('login'), {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    command: 'login',
    args: [],
    env: {},
    installHint: '',
    cluster: undefined,
  })
})

const exec = (fields: string) => config({ user: `exec: {${fields}}` })
const v1 = 'apiVersion: client.authentication.k8s.io/v1'
const wrong: readonly { title: string; text: string; want: RegExp; context?: string }[] = [
  { title: 'no YAML', text: 'a: [', want: /^f:\d+:\d+: / },
  { title: 'not an object', text: '[]', want: /^f: \[\] is not an object$/ },
  { title: 'nothing in it', text: '', want: /^f: current-context: missing/ },
  {
    title: 'a context that is not there',
    text: config(),
    context: 'x',
    want: /^f:5: contexts: no context is named 'x'$/,
  },
  {
    title: 'a cluster that is not there',
    text: config().replace('name: c\n', 'name: e\n'),
    want: /^f:10: clusters: no cluster is named 'c'$/,
  },
  {
    title: 'a server that is no URL',
    text: config({ server: 'api' }),
    want: /^f:11: clusters\[0\].cluster.server: 'api' is not a URL$/,
  },
  {
    title: 'a wrong type',
    text: config({ user: 'token: 7' }),
    want: /^f:16: users\[0\].user.token: 7 is not a string$/,
  },
  {
    title: 'a certificate that is no PEM',
    text: config({ cluster: 'certificate-authority-data: abcd' }),
    want: /certificate-authority-data: not the base64 of a PEM text/,
  },
  {
    title: 'a certificate without key',
    text: config({ user: 'client-certificate: x' }),
    want: /client-certificate and client-key belong together/,
  },
  {
    title: 'no verification, yet an authority',
    text: config({ cluster: 'insecure-skip-tls-verify: true, certificate-authority: x' }),
    want: /insecure-skip-tls-verify: contradicts certificate-authority/,
  },
  {
    title: 'a proxy that is not HTTP',
    text: config({ cluster: 'proxy-url: socks5://x' }),
    want: /proxy-url: 'socks5:\/\/x' is not an http:\/\/ or https:\/\/ URL/,
  },
  { title: 'impersonation', text: config({ user: 'as: root' }), want: /user.as: impersonation/ },
  {
    title: 'the old auth-provider',
    text: config({ user: 'auth-provider: {name: oidc}' }),
    want: /auth-provider: not supported .*; use exec/,
  },
  { title: 'a plugin without command', text: exec(v1), want: /exec.command: missing/ },
  {
    title: 'a plugin of an old version',
    text: exec('command: x, apiVersion: client.authentication.k8s.io/v1alpha1'),
    want: /exec.apiVersion: 'client.authentication.k8s.io\/v1alpha1' is not/,
  },
  {
    title: 'a plugin that wants a terminal',
    text: exec(`command: x, ${v1}, interactiveMode: Always`),
    want: /interactiveMode: Always cannot work/,
  },
]
for (const { title, text, want, context } of wrong) {
  t.test(`refused, with line and field: ${title}`, async t => {
    t.throws(() => parseKubeconfig(text, 'f', context), { constructor: ConfigError, message: want })
  })
}

t.test('all problems are told together', async t => {
  const text = config({ server: 'x', user: 'as: a, client-key: k' })
  try {
    parseKubeconfig(text, 'f')
    t.fail('was accepted')
  } catch (error) {
    t.equal((error as ConfigError).problems.length, 3)
  }
})
