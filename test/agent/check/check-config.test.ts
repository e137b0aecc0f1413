import { join } from 'node:path'
import t, { type Test } from 'tap'
import { recognise } from '../../../src/agent/check/recognise.ts'
import { main } from '../../../src/main.ts'
import { recordIo } from '../../helper/command-io.ts'

const recognised: readonly (readonly [string, string | undefined])[] = [
  ['.:53 {\n  errors\n}\n', 'corefile'],
  ['(common) {\n  errors\n}\n.:53 {\n import common\n}\n', 'corefile'],
  ['# names\ncluster.local:53 {$UPSTREAM} {\n', 'corefile'],
  ['.\nwhoami\nlog\n', 'corefile'],
  ['https://example.org {\n  whoami\n}\n', 'corefile'],
  ['kind: KubeProxyConfiguration\nmode: x\n', 'kube-proxy'],
  ['apiVersion: kubeproxy.config.k8s.io/v1alpha1\n  broken', 'kube-proxy'],
  ['{"kind": "KubeProxyConfiguration"}', 'kube-proxy'],
  ['{\n  "cniVersion": "1.0.0", "plugins": [', 'cni'],
  ['{"type":"bridge","name":"a"}', 'cni'],
  ['dns:\n  corefile: ./Corefile\n', 'agent'],
  ['# agent\nnodeName: a\nproxy: {\n', 'agent'],
  ['{"dns": false, "proxy": {}}', 'agent'],
  ['', undefined],
  ['apiVersion: v1\nkind: Pod\nspec: {}\n', undefined],
  ['just words in a line', undefined],
]

t.test('the content tells what a file is, though it may be broken', async t => {
  for (const [text, kind] of recognised) t.equal(recognise(text), kind, JSON.stringify(text))
})

/** Runs the check on files of these texts; gives what is said, without the folder. */
async function check(t: Test, files: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const folder = t.testdir(files)
  const io = recordIo()
  const names = Object.keys(files).slice(0, 1)
  const exitCode = await main(['check', ...args, ...names.map(name => join(folder, name))], io)
  return {
    exitCode,
    lines: io.written.stdout.replaceAll(`${folder}/`, '').split('\n').slice(0, -1),
  }
}

const kubeProxy = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

const cases: readonly {
  readonly title: string
  readonly text: string
  /** Each stands in its line. */
  readonly says: readonly (string | RegExp)[]
  readonly exitCode?: number
}[] = [
  {
    title: 'a Corefile with two errors',
    text: '.:53 {\n  teapot\n  errors\n\tforward . 1.2.3\n}\n',
    says: [
      /^file:2:3: error: .*teapot/,
      /^file:4:12: error: forward: 1\.2\.3 /,
      'file (Corefile): 2 errors, 0 warnings',
    ],
  },
  {
    title: 'a Corefile that is right but not wise',
    text: '.:53 {\n  forward . 192.0.2.1\n}\n',
    says: [/^file:2:3: warning: forward: .*add `errors`/, 'file (Corefile): 0 errors, 1 warning'],
    exitCode: 0,
  },
  {
    title: 'a KubeProxyConfiguration with a wrong type and an unknown field',
    text: `${kubeProxy}iptables:\n  masqueradeBit: many\nteapot: 1\n`,
    says: [/^file:4:3: error: iptables\.masqueradeBit: /, /^file:5:1: error: teapot: /, /2 errors/],
  },
  {
    title: 'a field of a KubeProxyConfiguration that does nothing here',
    text: `${kubeProxy}mode: nftables\nclientConnection:\n  qps: 7\n`,
    says: [/^file:5:3: warning: clientConnection\.qps: /, /0 errors, 1 warning/],
    exitCode: 0,
  },
  {
    title: 'YAML that is none',
    text: `${kubeProxy}mode: [\n`,
    says: [/^file:\d+:\d+: error: /, /1 error/],
  },
  {
    title: 'an agent configuration with an unknown field and a bad value',
    text: 'proxy: false\ndns: false\ncni: {}\nhttp:\n  adress: x\nlog:\n  level: loud\n',
    says: [/^file:7:3: error: log\.level: "loud"/, /^file:5:3: error: http\.adress: /, /2 errors/],
  },
  {
    title: 'JSON that ends too early',
    text: '{\n  "cniVersion": "1.0.0",\n  "plugins": [',
    says: [/^file:3:15: error: not JSON: /, /1 error/],
  },
  {
    title: 'JSON with a comma too many',
    text: '{\n  "name": "a",\n  "plugins": [{ "type": "bridge" },]\n}',
    says: [/^file:3:36: error: not JSON: here must be a value/, /1 error/],
  },
  {
    title: 'a network list with faults in two plugins and in its head',
    text: '{\n  "cniVersion": "9.0.0",\n  "name": "a b",\n  "plugins": [\n    { "type": "bridge",\n      "mtu": "big" },\n    { "type": "portmap", "snat": 1 },\n    {}\n  ]\n}',
    says: [
      /^file:3:3: error: name: 'a b'/,
      /^file:2:3: error: cniVersion: '9\.0\.0' is none of/,
      /^file:6:7: error: plugins\[0\]\.mtu: must be/,
      /^file:7:26: error: plugins\[1\]\.snat: must be true or false/,
      /^file:8:5: error: plugins\[2\]\.type: must name a plugin/,
      /5 errors/,
    ],
  },
  {
    title: 'an address range that is none, in a single configuration',
    text: '{\n  "name": "a", "type": "bridge",\n  "ipam": { "type": "host-local",\n    "ranges": [[{ "subnet": "10.0.0.0/99" }]] }\n}',
    says: [/^file:4:19: error: ipam\.ranges\[0\]\[0\]\.subnet: '10\.0\.0\.0\/99'/, /1 error/],
  },
  {
    title: 'a plugin of somebody else, and a key that is there twice',
    text: '{\n  "name": "a",\n  "plugins": [{ "type": "calico", "x": 1, "x": 2 }]\n}',
    says: [
      /warning: .*x: is there twice/,
      /^file:3:17: warning: plugins\[0\]\.type: 'calico'/,
      /0 errors, 2/,
    ],
    exitCode: 0,
  },
  {
    title: 'a text that is nothing we know',
    text: 'hello: world\n',
    says: [/^file:1:1: error: is none of Corefile, KubeProxyConfiguration.*--as/, /1 error/],
  },
]

for (const { title, text, says, exitCode = 2 } of cases) {
  t.test(title, async t => {
    const said = await check(t, { file: text })
    t.equal(said.exitCode, exitCode)
    t.match(said.lines, says)
    t.equal(said.lines.length, says.length)
  })
}

t.test('an agent configuration with the files it names', async t => {
  const said = await check(t, {
    'agent.yaml': 'proxy: { config: kp.yaml }\ndns: { corefile: Corefile }\n',
    'kp.yaml': `${kubeProxy}mode: 5\n`,
  })
  t.equal(said.exitCode, 2)
  t.match(said.lines, [
    'agent.yaml (agent configuration): ok',
    /^Corefile: error: cannot be read/,
    /^Corefile: 1 error/,
    /^kp\.yaml:3:1: error: mode: /,
    /^kp\.yaml \(KubeProxyConfiguration\): 1 error/,
  ])
})

t.test('--as says what a file is; -o json has the places as numbers', async t => {
  const said = await check(
    t,
    { 'names.txt': '. {\n teapot\n}\n' },
    '--as',
    'corefile',
    '-o',
    'json',
  )
  t.equal(said.exitCode, 2)
  t.match(JSON.parse(said.lines.join('\n')), {
    files: [{ kind: 'corefile', problems: [{ line: 2, column: 2 }], warnings: [] }],
  })
  t.equal((await check(t, { a: '' }, '--as', 'teapot')).exitCode, 2)
})

t.test('a file that is not there', async t => {
  const io = recordIo()
  t.equal(await main(['check', '/nonexistent/Corefile'], io), 2)
  t.match(io.written.stdout, /^\/nonexistent\/Corefile: error: cannot be read: ENOENT/)
})
