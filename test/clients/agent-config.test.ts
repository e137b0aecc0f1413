import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { AgentProcess } from '../helper/agent-process.ts'
import { TestNamespace } from '../helper/namespace.ts'

const namespace = await TestNamespace.create('agent')
t.teardown(() => namespace[Symbol.asyncDispose]())

const DNS_ONLY = 'cluster: { manifests: . }\nproxy: false\ndns: { corefile: Corefile }\n'
const GOOD_COREFILE = '.:5300 {\n  whoami\n}\n'

/** Runs an agent on the files of a folder until it ends; `DIR` stands for the folder in what it says. */
async function ended(directory: string) {
  const config = join(directory, 'agent.yaml')
  await using agent = AgentProcess.spawn(namespace, { config })
  const code = await agent.exit()
  const said = agent.stderr.split('\n').filter(line => !line.startsWith('{'))
  return { code, said: said.join('\n').replaceAll(directory, 'DIR') }
}

const wrong: readonly {
  readonly title: string
  readonly files: Readonly<Record<string, string>>
  readonly said: RegExp
}[] = [
  {
    title: 'no configuration',
    files: {},
    said: /^nodeplane: DIR\/agent\.yaml: --config: cannot be read: ENOENT/m,
  },
  {
    title: 'YAML that is none',
    files: { 'agent.yaml': 'dns: {\n' },
    said: /^nodeplane: DIR\/agent\.yaml:\d+:\d+: /m,
  },
  {
    title: 'an unknown field',
    files: { 'agent.yaml': 'proxy: false\ndns:\n  corefile: Corefile\n  prot: 53\n' },
    said: /^nodeplane: DIR\/agent\.yaml:4:3: dns\.prot: unknown field/m,
  },
  {
    title: 'several wrong fields, all of them told',
    files: { 'agent.yaml': 'dns:\n  corefile: Corefile\n  port: 0\nlog: { level: loud }\n' },
    said: /agent\.yaml:3:3: dns\.port: [^]*agent\.yaml:4:\d+: log\.level: /,
  },
  {
    title: 'a Corefile that is not there',
    files: { 'agent.yaml': DNS_ONLY },
    said: /^nodeplane: DIR\/Corefile: cannot be read: ENOENT/m,
  },
  {
    title: 'a bad Corefile, all of its problems',
    files: {
      'agent.yaml': DNS_ONLY,
      Corefile: '.:53 {\n  teapot\n  health {\n    lame\n  }\n}\n',
    },
    said: /^nodeplane: DIR\/Corefile:2: unknown directive 'teapot'.*\nnodeplane: DIR\/Corefile:4: lame: /m,
  },
  {
    title: 'a KubeProxyConfiguration that is not there',
    files: { 'agent.yaml': 'proxy: { config: kp.yaml }\ndns: false\n' },
    said: /^nodeplane: DIR\/kp\.yaml: proxy\.config: cannot be read: ENOENT/m,
  },
  {
    title: 'a bad KubeProxyConfiguration',
    files: {
      'agent.yaml': 'proxy: { config: kp.yaml }\ndns: false\n',
      'kp.yaml':
        'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: teapot\n',
    },
    said: /^nodeplane: DIR\/kp\.yaml:3:1: mode: /m,
  },
  {
    title: 'a kubeconfig that is not there',
    files: { 'agent.yaml': 'cluster: { kubeconfig: admin.conf }\nproxy: {}\ndns: false\n' },
    said: /^nodeplane: DIR\/admin\.conf.*ENOENT/m,
  },
  {
    title: 'no cluster named and none around',
    files: { 'agent.yaml': 'proxy: {}\ndns: false\n' },
    said: /^nodeplane: cluster: not in a pod [^:]*: name a kubeconfig, [^:]* or manifests$/m,
  },
]
for (const { title, files, said } of wrong) {
  t.test(`exit code 2, naming the place: ${title}`, async t => {
    t.match(await ended(t.testdir(files)), { code: 2, said })
  })
}

t.test('a directory where a file should be: exit code 2', async t => {
  const directory = t.testdir({ 'agent.yaml': {} })
  t.match(await ended(directory), { code: 2, said: /--config: cannot be read: EISDIR/ })
})

/** Something else that listens on a port of the namespace. */
async function occupy(port: number): Promise<void> {
  const child = namespace.spawn('ncat', ['-vlk', '127.0.0.1', `${port}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await once(child.stderr ?? createServer(), 'data')
}

t.test('the port of its HTTP server is taken: exit code 1, saying which', async t => {
  await occupy(9154)
  const files = {
    'agent.yaml': DNS_ONLY,
    Corefile: GOOD_COREFILE,
  }
  const said = /^nodeplane: .*EADDRINUSE.*127\.0\.0\.1:9154/m
  t.match(await ended(t.testdir(files)), { code: 1, said })
})

t.test('a port of DNS is taken: exit code 1, saying which', async t => {
  await occupy(5300)
  const files = {
    'agent.yaml': `${DNS_ONLY}http: { address: "127.0.0.1:9156" }\n`,
    Corefile: GOOD_COREFILE,
  }
  t.match(await ended(t.testdir(files)), {
    code: 1,
    said: /^nodeplane: .*EADDRINUSE.*5300/m,
  })
})
