import t from 'tap'
import { parseAgentConfig } from '#agent/config.ts'
import { ConfigError } from '#runtime/error.ts'

const parse = (text: string) => parseAgentConfig(text, '/etc/nodeplane/agent.yaml')

t.test('the least: a Corefile; the rest has defaults', async t => {
  t.strictSame(parse('dns: { corefile: Corefile }'), {
    cluster: {},
    proxy: {},
    dns: { corefile: '/etc/nodeplane/Corefile', port: 53, fastPathWorkers: 1 },
    routes: false,
    snapshot: {
      file: '/var/lib/nodeplane/snapshot/cluster',
      maxAge: 86_400_000,
      wait: 5_000,
      interval: 30_000,
      maxMegabytes: 64,
    },
    socket: '/run/nodeplane/agent.sock',
    status: { address: '127.0.0.1:9155' },
    cni: false,
    http: { address: '127.0.0.1:9154' },
    log: { level: 'info' },
  })
})

t.test('paths are relative to the file; the node name is lower case', async t => {
  const config = parse(`
nodeName: Node-A
cluster: { manifests: ../manifests }
proxy: { config: /srv/kube-proxy.yaml }
dns: false
`)
  t.match(config, {
    nodeName: 'node-a',
    cluster: { manifests: '/etc/manifests' },
    proxy: { config: '/srv/kube-proxy.yaml' },
    dns: false,
  })
})

t.test('CNI alone is enough; its paths have defaults', async t => {
  const { cni } = parse('proxy: false\ndns: false\ncni: { podDNS: { clusterDNS: [10.96.0.10] } }')
  t.strictSame(cni, {
    socket: '/run/nodeplane/cni.sock',
    stateDir: '/run/nodeplane/pods',
    journalDir: '/var/lib/nodeplane/cni',
    podDNS: { clusterDNS: ['10.96.0.10'], clusterDomain: '', resolvConf: '/etc/resolv.conf' },
  })
})

t.test('DNS by the policy of pods, and on the node', async t => {
  const { dns } = parse(`
dns:
  corefile: /Corefile
  podsPolicy: { clusterDNS: [10.96.0.10], clusterDomain: cluster.local }
  nodeLocal: { addresses: [10.96.0.10, 169.254.20.10] }
`)
  t.match(dns, {
    podsPolicy: {
      clusterDNS: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      resolvConf: '/etc/resolv.conf',
    },
    nodeLocal: { addresses: ['10.96.0.10', '169.254.20.10'] },
  })
})

t.test('routes: what is not said has defaults', async t => {
  t.strictSame(parse('dns: false\nproxy: false\nroutes: {}\n').routes, {
    mode: 'auto',
    clusterCIDRs: [],
    noMasqueradeCIDRs: [],
    masquerade: 'nftables',
    vxlan: { vni: 110, port: 8472 },
    mtuFile: '/run/nodeplane/mtu',
  })
})

const wrong: readonly { title: string; text: string; want: RegExp }[] = [
  ...['127.0.0.1', '::1', 'fe80::1'].map(address => ({
    title: `${address} as an address of the node's DNS`,
    text: `dns: { corefile: C, nodeLocal: { addresses: ["${address}"] } }`,
    want: /nodeLocal\.addresses\[0\]: must be neither a loopback nor an IPv6 link-local address/,
  })),
  {
    title: 'an unknown field',
    text: 'dns: false\nprxy: {}\n',
    want: /agent\.yaml:2:1: prxy: unknown field; known are nodeName/,
  },
  {
    title: 'an unknown field inside',
    text: 'dns:\n  corefile: C\n  prot: 53\n',
    want: /agent\.yaml:3:3: dns\.prot: /,
  },
  {
    title: 'two sources',
    text: 'dns: false\ncluster: { manifests: a, kubeconfig: b }\n',
    want: /:2:1: cluster: manifests and kubeconfig exclude each other/,
  },
  {
    title: 'a bad address',
    text: 'dns: false\nhttp:\n  address: nowhere\n',
    want: /:3:3: http\.address: must be ADDRESS:PORT/,
  },
  {
    title: 'a port that is none',
    text: 'dns: false\nhttp: { address: "127.0.0.1:70000" }\n',
    want: /port must be at most 65535/,
  },
  { title: 'nothing to run', text: 'dns: false\nproxy: false\n', want: /nothing to run/ },
  {
    title: 'a socket that is relative',
    text: 'dns: false\ncni: { socket: cni.sock }\n',
    want: /cni\.socket: must be an absolute path/,
  },
  {
    title: 'a DNS address that is none',
    text: 'dns: false\ncni: { podDNS: { clusterDNS: [kube-dns] } }\n',
    want: /cni\.podDNS\.clusterDNS.*must be an IP address/,
  },
  {
    title: 'a mode that is none',
    text: 'dns: false\nroutes: { mode: bgp }\n',
    want: /agent\.yaml:2:11: routes\.mode: "bgp": .*"hostGW"/,
  },
  {
    title: 'a range that is none',
    text: 'dns: false\nroutes: { clusterCIDRs: [10.244.0.0] }\n',
    want: /routes\.clusterCIDRs\[0\]: must be ADDRESS\/LENGTH/,
  },
  {
    title: 'several things inside a section that may be false',
    text: 'dns: false\nroutes: { mode: bgp, mdoe: auto }\n',
    want: /routes\.mode: [^]*:2:22: routes\.mdoe: unknown field/,
  },
  { title: 'an empty file: dns is needed', text: '', want: /dns: / },
  {
    title: 'a level that is none',
    text: 'dns: false\nlog: { level: loud }\n',
    want: /log\.level: .*"trace"/,
  },
]
for (const { title, text, want } of wrong) {
  t.test(`refused, naming file, line and field: ${title}`, async t => {
    try {
      parse(text)
      t.fail('was accepted')
    } catch (error) {
      t.ok(error instanceof ConfigError, String(error))
      t.match(String(error), want)
    }
  })
}

t.test('who is told that the node is ready', async t => {
  const cluster = 'cluster: { kubeconfig: kubeconfig }\ndns: false\n'
  const { cni, readyTaint } = parse(
    `${cluster}readyTaint: example.org/not-ready\ncni: { install: { conflist: pods.conflist } }`,
  )
  t.equal(readyTaint, 'example.org/not-ready')
  t.match(cni, {
    install: {
      binDir: '/opt/cni/bin',
      confDir: '/etc/cni/net.d',
      name: '10-nodeplane.conflist',
      conflist: '/etc/nodeplane/pods.conflist',
      replace: false,
    },
  })
  const inline = parse(`${cluster}cni: { install: { conflist: { name: pods } } }`)
  t.match(inline.cni, { install: { conflist: { name: 'pods' } } })
  const cases: readonly (readonly [string, RegExp])[] = [
    [`${cluster}readyTaint: 'a b'`, /readyTaint: must be the key of a taint/],
    ['cluster: { manifests: m }\ndns: false\nreadyTaint: a', /readyTaint: needs an API server/],
    [`${cluster}cni: { install: { name: x.json } }`, /cni\.install\.name: must be a file name/],
    [`${cluster}snapshot: { wait: soon }`, /snapshot\.wait: must be a duration/],
    [`${cluster}snapshot: { interval: 10ms }`, /snapshot\.interval: .*at least 1s/],
  ]
  for (const [text, message] of cases) t.throws(() => parse(text), { message })
})
