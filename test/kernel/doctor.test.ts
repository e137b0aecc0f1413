import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t from 'tap'
import { ExecError } from '#linux/exec.ts'
import { hasLinkKind } from '#linux/kernel-features.ts'
import { listLinks } from '#linux/netlink/link.ts'
import { NetlinkSocket } from '#linux/netlink/socket.ts'
import { AgentNode } from '../helper/agent-node.ts'
import { AgentProcess } from '../helper/agent-process.ts'
import { MAIN } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import type { TestNamespace } from '../helper/namespace.ts'

type Found = {
  readonly id: string
  readonly severity: string
  readonly cause: string
  readonly fix?: string
}

/** What the command says on a node whose files lie in `root`. */
async function doctor(namespace: TestNamespace, root: string, ...words: readonly string[]) {
  const args = [MAIN, 'doctor', '--root', root, '-o', 'json', ...words]
  const read = (stdout: string): readonly Found[] =>
    (JSON.parse(stdout) as { findings: Found[] }).findings
  try {
    const { stdout } = await namespace.exec(process.execPath, args)
    return { exitCode: 0, findings: read(stdout) }
  } catch (error) {
    if (!(error instanceof ExecError)) throw error
    return { exitCode: error.exitCode, findings: read(error.stdout) }
  }
}

// Each case starts some fifteen programs.
t.setTimeout(300_000)
const folder = t.testdir()
const node = await AgentNode.create(folder)
t.teardown(() => node[Symbol.asyncDispose]())
const host = node.net.node

const file = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), text)
}
const network = (more: object = {}) =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'nodeplane',
    plugins: [
      {
        type: 'bridge',
        bridge: 'br0',
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]],
        },
        ...more,
      },
    ],
  })
await file('etc/cni/net.d/10-nodeplane.conflist', network())
await file('etc/resolv.conf', 'nameserver 192.0.2.53\n')
await node.write(
  'Corefile',
  '.:53 {\n  errors\n  kubernetes cluster.local in-addr.arpa\n  forward . /etc/resolv.conf\n}\n',
)
await node.write(
  'manifests/node.yaml',
  'apiVersion: v1\nkind: Node\nmetadata: { name: node-a }\nspec: { podCIDRs: [10.244.1.0/24] }\nstatus: { addresses: [{ type: InternalIP, address: 192.168.50.1 }] }\n',
)
await node.configure({
  nodeName: 'node-a',
  cluster: { manifests: 'manifests' },
  proxy: { config: 'kube-proxy.yaml' },
  dns: {
    corefile: 'Corefile',
    podsPolicy: { clusterDNS: ['10.96.0.10'], clusterDomain: 'cluster.local' },
  },
  routes: { mode: 'auto', clusterCIDRs: ['10.244.0.0/16'], mtuFile: node.path('mtu') },
})

/** Findings that are not OK, each time it is asked. */
const examiner = (() => {
  const script = new URL('../fixtures/run-doctor.ts', import.meta.url).pathname
  const child = host.spawn(process.execPath, [script, folder, '/agent.yaml'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  return {
    async findings(): Promise<readonly Found[]> {
      child.stdin?.write('\n')
      const { value } = (await lines.next()) as { value: string }
      return (JSON.parse(value) as readonly Found[]).filter(({ severity }) => severity !== 'OK')
    },
  }
})()

const agent = await AgentProcess.start(host, { config: node.config })
t.teardown(() => agent[Symbol.asyncDispose]())

t.test('a node with our agent on it: no alarm, exit code 0', async t => {
  const { exitCode, findings } = await doctor(host, folder, '--config', '/agent.yaml')
  t.equal(exitCode, 0)
  t.strictSame(
    findings.filter(({ severity }) => severity !== 'OK'),
    [],
  )
  t.ok(findings.length >= 11, 'what is well is told too')
})

type Case = {
  readonly title: string
  /** Run in the node's namespace by a shell. */
  readonly seed: string
  readonly finds: string
  readonly cause: RegExp
  /** Where the printed fix cannot be run here: what undoes the seed. */
  readonly undo?: string
}

const cases: readonly Case[] = [
  {
    title: 'IPv4 is not forwarded',
    seed: 'sysctl -qw net.ipv4.ip_forward=0',
    finds: 'forwarding',
    cause: /IPv4/,
  },
  {
    title: 'IPv6 is not forwarded, and pods have it',
    seed: 'sysctl -qw net.ipv6.conf.all.forwarding=0',
    finds: 'forwarding',
    cause: /IPv6/,
  },
  {
    title: 'one link does not forward',
    seed: 'sysctl -qw net.ipv4.conf.br0.forwarding=0',
    finds: 'forwarding-link',
    cause: /br0/,
  },
  {
    title: 'strict reverse path filter and two ways out',
    seed: 'ip link add eth1 type veth peer name eth1-far && ip addr add 198.51.100.1/24 dev eth1 && ip link set eth1 up && sysctl -qw net.ipv4.conf.eth0.rp_filter=1',
    finds: 'rp-filter',
    cause: /strict on eth0/,
  },
  {
    title: 'the tunnel leaves no room for its header',
    seed: 'ip link set br0 mtu 1400; ip link set veth0 mtu 1400; ip link set veth1 mtu 1400; ip link add vx9 mtu 1500 type vxlan id 9 dstport 8473 local 192.168.50.1 && ip link set vx9 mtu 1500 up',
    finds: 'mtu-tunnel',
    cause: /vx9.*1500.*50 more.*eth0/,
  },
  {
    title: 'pods send longer packets than the tunnel takes',
    seed: 'ip link set vx9 mtu 1390',
    finds: 'mtu-pods',
    cause: /1400 bytes, vx9 takes 1390/,
    undo: 'ip link del vx9; ip link set veth0 mtu 1500; ip link set veth1 mtu 1500; ip link set br0 mtu 1500',
  },
  {
    title: 'pods of one bridge have different MTUs',
    seed: 'ip link set veth0 mtu 1400',
    finds: 'mtu-ports',
    cause: /1 of 2 pods on br0.*veth0: 1400/,
  },
  {
    title: 'bridged answers are hidden from netfilter',
    seed: 'sysctl -qw net.bridge.bridge-nf-call-iptables=0',
    finds: 'bridge-netfilter',
    cause: /bridge-nf-call-iptables is off/,
  },
  {
    title: 'hairpin is off',
    seed: 'bridge link set dev veth0 hairpin off',
    finds: 'hairpin',
    cause: /hairpin is off on veth0/,
  },
  {
    title: "Docker's FORWARD DROP",
    seed: 'iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER && iptables -P FORWARD DROP',
    finds: 'firewall-docker',
    cause: /policy FORWARD DROP/,
  },
  {
    title: "Docker's FORWARD DROP in the legacy tables",
    seed: 'iptables -F; iptables -P FORWARD ACCEPT; iptables -X; iptables-legacy -N DOCKER-USER && iptables-legacy -A FORWARD -j DOCKER-USER && iptables-legacy -P FORWARD DROP',
    finds: 'firewall-docker',
    cause: /iptables-legacy has the policy FORWARD DROP/,
  },
  {
    title: 'ufw',
    seed: 'iptables -N ufw-before-forward && iptables -A FORWARD -j ufw-before-forward && iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && iptables -P FORWARD DROP',
    finds: 'firewall-ufw',
    cause: /ufw drops packets of pods/,
    undo: 'iptables -P FORWARD ACCEPT; iptables -F; iptables -X',
  },
  {
    title: 'firewalld',
    seed: `nft -f - <<'E'
table inet firewalld {
  chain filter_FWD_public { }
  chain filter_FORWARD { type filter hook forward priority 10; policy accept;
    ct state established,related accept
    iifname "eth0" goto filter_FWD_public
    reject with icmpx type admin-prohibited
  }
}
E`,
    finds: 'firewall-firewalld',
    cause: /ends with reject/,
    undo: 'nft delete table inet firewalld',
  },
  {
    title: 'a table of somebody whose policy is drop',
    seed: "nft 'add table inet corp { chain forwarding { type filter hook forward priority 0; policy drop; }; }'",
    finds: 'firewall-unknown',
    cause: /inet corp forwarding has the policy drop/,
  },
  {
    title: "kube-proxy's nftables rules",
    seed: "nft 'add table ip kube-proxy; add chain ip kube-proxy services; add table ip6 kube-proxy; add chain ip6 kube-proxy services'",
    finds: 'leftover-kube-proxy-nft',
    cause: /table ip kube-proxy, table ip6 kube-proxy/,
  },
  {
    title: "kube-proxy's iptables rules",
    seed: 'iptables -t nat -N KUBE-SERVICES && iptables -t nat -A PREROUTING -j KUBE-SERVICES',
    finds: 'leftover-kube-proxy-iptables',
    cause: /IPv4 nft/,
  },
  {
    title: "flannel's tunnel",
    seed: 'ip link add flannel.1 type vxlan id 1 dstport 8474',
    finds: 'leftover-network',
    cause: /flannel's links .*flannel\.1/,
  },
  {
    title: "NodeLocal DNSCache's link",
    seed: 'ip link add nodelocaldns type bridge',
    finds: 'leftover-nodelocaldns',
    cause: /nodelocaldns/,
    undo: 'ip link del nodelocaldns',
  },
  {
    title: "another network's configuration comes first",
    seed: `echo '{"name":"cbr0","plugins":[{"type":"cilium-cni"}]}' > ${folder}/etc/cni/net.d/05-cilium.conflist`,
    finds: 'leftover-cni-config',
    cause: /takes .*05-cilium\.conflist \(cilium-cni\), not ours/,
    undo: `rm ${folder}/etc/cni/net.d/05-cilium.conflist`,
  },
  {
    title: 'pods are given the stub resolver of the node',
    seed: `echo nameserver 127.0.0.53 > ${folder}/etc/resolv.conf`,
    finds: 'resolver-stub',
    cause: /resolv\.conf, which pods are given, names 127\.0\.0\.53/,
    undo: `echo nameserver 192.0.2.53 > ${folder}/etc/resolv.conf`,
  },
  {
    title: 'DNS forwards to itself',
    seed: `echo nameserver 10.96.0.10 > ${folder}/etc/resolv.conf`,
    finds: 'resolver-loop',
    cause: /10\.96\.0\.10/,
    undo: `echo nameserver 192.0.2.53 > ${folder}/etc/resolv.conf`,
  },
]

const shell = (command: string) => host.exec('sh', ['-ec', command])

for (const { title, seed, finds, cause, undo } of cases) {
  t.test(`${title}: found as ${finds}, and nothing else: what was before is mended`, async t => {
    // The agent may be about to put something right for a reason of its own, and undo a seed that it cannot see.
    const findings = await eventually('it to be found', async () => {
      await shell(seed)
      const findings = await examiner.findings()
      return findings.length > 0 ? findings : undefined
    })
    t.match(findings, [{ id: finds, severity: 'FAIL', cause }])
    t.equal(findings.length, 1)
    // That it is mended the next case sees.
    await shell(undo ?? findings[0]?.fix ?? 'false')
  })
}

t.test('all is mended', async t => t.strictSame(await examiner.findings(), []))

t.test('a sync that waits for long, and a clock that was set back', async t => {
  agent.kill('SIGTERM')
  await agent.exit()
  t.match(await examiner.findings(), [
    { id: 'last-sync', severity: 'WARN', cause: /does not answer/ },
  ])
  const metrics = (last: number, queued: number) =>
    `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${last}\nkubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} ${queued}\n`
  const now = Date.now() / 1000
  const say = (text: string) =>
    host.spawn(process.execPath, [
      '-e',
      `require('node:http').createServer((q, a) => a.end(${JSON.stringify(text)})).listen(9154, '127.0.0.1')`,
    ])
  const told = async (text: string, cause: RegExp) => {
    const server = say(text)
    await eventually('the answer', async () =>
      (await examiner.findings()).some(found => cause.test(found.cause)),
    )
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  await told(
    metrics(now - 600, now - 300),
    /has been waiting for 3\d\d s, the last was 6\d\d s ago/,
  )
  await told(metrics(now + 3600, now - 300), /in the future: the clock was set back/)
})

t.test('findings that FAIL make the exit code 1; people get the fix below the cause', async t => {
  await shell('sysctl -qw net.ipv4.ip_forward=0')
  const { exitCode } = await doctor(host, folder, '--config', '/agent.yaml')
  t.equal(exitCode, 1)
})

t.test('the kernel is asked for kinds of links, and none is made', async t => {
  using socket = NetlinkSocket.open()
  const before = await listLinks(socket)
  for (const kind of ['veth', 'bridge', 'vxlan'])
    t.equal(await hasLinkKind(socket, kind), true, kind)
  t.equal(await hasLinkKind(socket, 'teapot'), false)
  t.strictSame(await listLinks(socket), before)
})
