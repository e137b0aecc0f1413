// From mode to mode, from kube-proxy to ours, and to nothing: what of the former rules goes, and what lives through it.
import t from 'tap'
import type { ProxyMode } from '../../src/proxy/settings.ts'
import { eventually } from '../helper/eventually.ts'
import { echoLines, holdConnection } from '../helper/held-connection.ts'
import { environmentOf, savedRules } from '../helper/iptables.ts'
import { numbered, outcomesOn, settings, slices } from '../helper/numbered-services.ts'
import { killProxies, ProxyProcess } from '../helper/proxy-process.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { serve } from '../helper/traffic.ts'

const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
t.afterEach(killProxies)
const [podA, echo, client] = net.pods as [TestPod, TestPod, TestPod]
await serve(podA.namespace, 'a', [8080])
await echoLines(echo.namespace, 8080)
const outcomes = outcomesOn(net)
const flavours = ['nft', 'legacy'] as const
const environments = { nft: await environmentOf('nft'), legacy: await environmentOf('legacy') }
const shell = (script: string) => net.node.exec('sh', ['-ec', script])

// Other programs' rules, in every place where ours or kube-proxy's are.
const THEIRS = '192.0.2.77'
await shell(`
  nft -f - <<'EOF'
    table ip firewall { chain input { type filter hook input priority 0; ip saddr ${THEIRS} accept; }; }
EOF
  for flavour in nft legacy; do
    iptables-$flavour -t nat -N DOCKER
    iptables-$flavour -t nat -A PREROUTING -s ${THEIRS} -j DOCKER
    iptables-$flavour -A INPUT -s ${THEIRS} -j ACCEPT
    ip6tables-$flavour -A FORWARD -s 2001:db8::77 -j ACCEPT
  done
  ipset create theirs hash:ip
`)

/** Everything that there is of rules, without counters. */
async function everything(): Promise<readonly string[]> {
  const lists = flavours.flatMap(flavour =>
    ([4, 6] as const).map(async family => {
      const rules = await savedRules(net.node, flavour, family)
      // A table without rules comes with whoever looks into it.
      return rules
        .filter(line => !/^(\*|COMMIT|:[A-Z]+ ACCEPT)/.test(line))
        .map(l => `${flavour}${family} ${l}`)
    }),
  )
  const { stdout } = await net.node.exec('nft', ['list', 'tables'])
  const tables = stdout.split('\n').filter(name => / (nodeplane|kube-proxy|firewall)$/.test(name))
  const sets = (await net.node.exec('ipset', ['list', '-n'])).stdout
    .split('\n')
    .filter(name => name !== '')
  return [...(await Promise.all(lists)).flat(), ...tables, ...sets].toSorted()
}
const foreign = await everything()
const isForeign = new Set(foreign)
const ours = async () => (await everything()).filter(line => !isForeign.has(line))

function start(mode: ProxyMode, flavour: (typeof flavours)[number] = 'nft'): ProxyProcess {
  const proxy = new ProxyProcess(net.node, { ...settings, mode }, environments[flavour])
  proxy.set(numbered(1), ...slices(1, [podA]), numbered(2), ...slices(2, [echo]), numbered(3))
  proxy.sync()
  return proxy
}

/** A connection to Service 2 that stays open; what is said comes back. */
const connect = () => holdConnection(client.namespace, '10.96.0.2', 80)

const answers = () =>
  Promise.all(
    ([4, 6] as const).map(family =>
      outcomes(client.namespace, 'clusterIP', { number: 1, family, protocol: 'tcp' }, 3),
    ),
  )
const right = [[`a ${client.ip4}`], [`a ${client.ip6}`]]
const without = (pattern: RegExp) =>
  eventually(
    `nothing of ${pattern} to be left`,
    async () => !(await ours()).some(line => pattern.test(line)),
  )

const IPTABLES = /^(nft|legacy)[46] .*KUBE-/
const NFTABLES = / nodeplane$/
const KUBE_PROXY_TABLE = / kube-proxy$/

/** What mode iptables has written into both families, as text for iptables-restore. */
const saved = { 4: '', 6: '' }

t.test('from mode to mode: a connection lives on, and the former rules go', async t => {
  const first = start('nftables')
  await first.programmed()
  const connection = await connect()
  const steps = [
    { mode: 'iptables', gone: NFTABLES },
    { mode: 'nftables', gone: IPTABLES },
  ] as const
  let proxy = first
  for (const { mode, gone } of steps) {
    await proxy.stop('SIGTERM')
    proxy = start(mode)
    await proxy.programmed()
    await without(gone)
    t.equal(await connection.say(mode), mode)
    t.strictSame(await answers(), right, 'new connections')
    const refused = await outcomes(
      client.namespace,
      'clusterIP',
      { number: 3, family: 4, protocol: 'tcp' },
      1,
    )
    t.strictSame(refused, ['ECONNREFUSED'])
    if (mode === 'iptables') {
      saved[4] = (await net.node.exec('iptables-nft-save', [])).stdout
      saved[6] = (await net.node.exec('ip6tables-nft-save', [])).stdout
    }
    t.strictSame(
      (await everything()).filter(line => isForeign.has(line)),
      foreign,
      'what is of others stays',
    )
  }
  await proxy.stop('SIGTERM')
  connection.end()
})

/** The rules of mode iptables, which are kube-proxy's by shape, into a flavour. */
async function restoreSaved(flavour: (typeof flavours)[number]): Promise<void> {
  const own = (text: string) =>
    text
      .replaceAll(/^.*(192\.0\.2\.77|2001:db8::77|:DOCKER).*\n/gm, '')
      // The counters that they name went with the rules.
      .replaceAll(/ -m nfacct --nfacct-name +\S+/g, '')
  await net.node.exec(`iptables-${flavour}-restore`, ['--noflush'], { input: own(saved[4]) })
  await net.node.exec(`ip6tables-${flavour}-restore`, ['--noflush'], { input: own(saved[6]) })
}

const KUBE_PROXY_NFT = `table ip kube-proxy {
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.96.0.2 . tcp . 80 : goto service-SVC }
  }
  chain service-SVC { meta l4proto tcp dnat to ${echo.ip4}:8080; }
  chain nat-prerouting {
    type nat hook prerouting priority -100
    ip daddr . meta l4proto . th dport vmap @service-ips
  }
}
table ip6 kube-proxy { }
`
const load = (text: string) => net.node.exec('nft', ['-f', '-'], { input: text })

t.test(
  'mode nftables takes over from a kube-proxy in mode iptables, of either flavour',
  async t => {
    for (const flavour of flavours) {
      const proxy = await (async () => {
        const former = start('nftables')
        await former.programmed()
        await former.stop('SIGTERM')
        await restoreSaved(flavour)
        await load('delete table ip nodeplane\ndelete table ip6 nodeplane\n')
        const connection = await connect()
        const successor = start('nftables')
        await successor.programmed()
        await without(IPTABLES)
        t.equal(await connection.say('still here'), 'still here')
        connection.end()
        return successor
      })()
      t.strictSame(await answers(), right)
      await proxy.stop('SIGTERM')
    }
  },
)

t.test('mode iptables takes over from a kube-proxy in mode nftables', async t => {
  await load('delete table ip nodeplane\ndelete table ip6 nodeplane\n')
  await load(KUBE_PROXY_NFT)
  const connection = await connect()
  // What lies in the other flavour goes as well.
  await restoreSaved('legacy')
  const proxy = start('iptables')
  await proxy.programmed()
  await without(KUBE_PROXY_TABLE)
  await without(/^legacy[46] .*KUBE-/)
  t.equal(await connection.say('still here'), 'still here')
  t.strictSame(await answers(), right)
  await proxy.stop('SIGTERM')
  connection.end()
})

/** The rules and sets that a kube-proxy in mode ipvs leaves, in short. */
const KUBE_PROXY_IPVS = `
  ipset create KUBE-CLUSTER-IP hash:ip,port
  ipset create KUBE-6-CLUSTER-IP hash:ip,port family inet6
  for flavour in nft legacy; do
    iptables-$flavour-restore --noflush <<'EOF'
*nat
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-NODE-PORT -p tcp -j KUBE-MARK-MASQ
COMMIT
*filter
:KUBE-NODE-PORT - [0:0]
:KUBE-IPVS-FILTER - [0:0]
-A INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
-A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
COMMIT
EOF
  done
`
const GUARD = `
  for flavour in nft legacy; do
    iptables-$flavour -N KUBE-FIREWALL
    iptables-$flavour -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
    iptables-$flavour -A INPUT -j KUBE-FIREWALL
    iptables-$flavour -A OUTPUT -j KUBE-FIREWALL
  done
`

async function cleanup() {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  try {
    const { stderr } = await net.node.exec(process.execPath, [main, 'proxy', '--cleanup'])
    return { exitCode: 0, stderr }
  } catch (error) {
    const { exitCode, stderr } = error as { exitCode?: number; stderr: string }
    return { exitCode, stderr }
  }
}

t.test('--cleanup leaves nothing of any mode, twice, and all of others', async t => {
  const proxy = start('nftables')
  await proxy.programmed()
  await proxy.stop('SIGKILL')
  await load(KUBE_PROXY_NFT)
  await shell(KUBE_PROXY_IPVS + GUARD)
  for (const flavour of flavours) await restoreSaved(flavour)
  t.ok((await ours()).length > 100, 'there is something to do')
  for (let round = 0; round < 2; round++) {
    t.match(await cleanup(), { exitCode: 0 })
    t.strictSame(await everything(), foreign)
  }
})

t.test('--cleanup that cannot remove something says what, and removes the rest', async t => {
  await load(KUBE_PROXY_NFT)
  for (const flavour of flavours) await restoreSaved(flavour)
  await shell(`iptables-legacy -t nat -A DOCKER -j KUBE-MARK-MASQ`)
  const { exitCode, stderr } = await cleanup()
  t.equal(exitCode, 1)
  t.match(stderr, /rules are left over: iptables: IPv4 legacy: .*nat KUBE-MARK-MASQ/)
  t.strictSame(await ours(), ['legacy4 -A DOCKER -j KUBE-MARK-MASQ', 'legacy4 :KUBE-MARK-MASQ -'])
  await shell(`iptables-legacy -t nat -F DOCKER`)
  t.match(await cleanup(), { exitCode: 0 })
  t.strictSame(await everything(), foreign)
})
