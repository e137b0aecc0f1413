import t from 'tap'
import { attachmentComment } from '#cni/attachment.ts'
import { firewallConfigFrom } from '#cni/firewall/config.ts'
import { type FamilyPlan, planFirewall } from '#cni/firewall/plan.ts'
import { missingRules, renderAdd, renderRemoval } from '#cni/firewall/render.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { CniConfig } from '#cni/spec/plugin.ts'
import type { CniResult } from '#cni/spec/result.ts'
import type { IpAddress } from '#net/ip.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'

const attachment = { network: 'net', containerId: 'c', ifname: 'eth0' }
const mark = attachmentComment(attachment)

const plan = (changes: Partial<FamilyPlan> = {}): FamilyPlan => ({
  family: 4,
  addresses: ['10.22.0.5' as IpAddress],
  adminChain: 'CNI-ADMIN',
  isolation: undefined,
  ...changes,
})

const empty = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n'
const jump = '-m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD'
const admin = '-m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN'
const policy = '-m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge)"'
const own = [
  `CNI-FORWARD -d 10.22.0.5/32 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "${mark}" -j ACCEPT`,
  `CNI-FORWARD -s 10.22.0.5/32 -m comment --comment "${mark}" -j ACCEPT`,
]
const table = (...lines: string[]) => `${['*filter', ...lines, 'COMMIT'].join('\n')}\n`
const saved = (...rules: string[]) =>
  table(':FORWARD DROP [0:0]', ':CNI-ADMIN - [0:0]', ':CNI-FORWARD - [0:0]', ...rules)

t.test('into an empty table go chains, jumps and rules', async t => {
  t.equal(
    renderAdd(attachment, plan(), empty),
    table(
      '-N CNI-FORWARD',
      '-N CNI-ADMIN',
      `-I CNI-FORWARD ${admin}`,
      `-I FORWARD ${jump}`,
      ...own.map(rule => `-A ${rule}`),
    ),
  )
})

t.test('what is there stays; what the attachment had is replaced', async t => {
  const before = `-A CNI-FORWARD -s 10.22.0.4/32 -m comment --comment "${mark}" -j ACCEPT`
  const others = '-A CNI-FORWARD -s 10.22.0.9/32 -j ACCEPT'
  t.equal(
    renderAdd(
      attachment,
      plan(),
      saved(`-A FORWARD ${jump}`, `-A CNI-FORWARD ${admin}`, before, others),
    ),
    table(before.replace('-A', '-D'), ...own.map(rule => `-A ${rule}`)),
  )
})

t.test('a policy keeps its bridge apart, before anything is accepted', async t => {
  const text = renderAdd(
    attachment,
    plan({ isolation: { bridge: 'cni0', policy: 'isolated' } }),
    saved(),
  )
  const lines = text.split('\n')
  t.ok(
    lines.indexOf(`-I FORWARD ${policy} -j CNI-ISOLATION-STAGE-1`) >
      lines.indexOf(`-I FORWARD ${jump}`),
    'what is put in front later is in front',
  )
  for (const line of [
    `-I CNI-ISOLATION-STAGE-1 -i cni0 -o cni0 ${policy} -j DROP`,
    `-I CNI-ISOLATION-STAGE-1 -i cni0 ! -o cni0 ${policy} -j CNI-ISOLATION-STAGE-2`,
    `-A CNI-ISOLATION-STAGE-1 ${policy} -j RETURN`,
    `-I CNI-ISOLATION-STAGE-2 -o cni0 ${policy} -j DROP`,
    `-A CNI-ISOLATION-STAGE-2 ${policy} -j RETURN`,
  ]) {
    t.ok(lines.includes(line), line)
  }
  const same = renderAdd(
    attachment,
    plan({ isolation: { bridge: 'cni0', policy: 'same-bridge' } }),
    saved(),
  )
  t.notMatch(same, '-i cni0 -o cni0')
})

t.test('another network’s policy stays before what is accepted', async t => {
  const stage1 = `FORWARD ${policy} -j CNI-ISOLATION-STAGE-1`
  t.match(
    renderAdd(attachment, plan(), saved(`-A ${stage1}`)),
    `-I FORWARD ${jump}\n-D ${stage1}\n-I ${stage1}\n`,
  )
  t.notMatch(renderAdd(attachment, plan(), saved(`-A ${stage1}`, `-A FORWARD ${jump}`)), stage1)
})

t.test('CHECK names what is missing', async t => {
  const all = [`-A FORWARD ${jump}`, `-A CNI-FORWARD ${admin}`, ...own.map(rule => `-A ${rule}`)]
  t.strictSame(missingRules(attachment, plan(), saved(...all)), [])
  t.strictSame(missingRules(attachment, plan(), saved(...all.slice(1, 3))), [
    `rule FORWARD ${jump} is missing`,
    `rule ${own[1]} is missing`,
  ])
})

t.test('removal goes by the comment, and for the reference’s rules by address', async t => {
  const theirs = [
    '-A CNI-FORWARD -d 10.22.0.6/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A CNI-FORWARD -s 10.22.0.6/32 -j ACCEPT',
    '-A FORWARD -s 10.22.0.6/32 -j ACCEPT',
  ]
  const text = saved(...own.map(rule => `-A ${rule}`), ...theirs)
  const [address] = ['10.22.0.6' as IpAddress]
  t.equal(
    renderRemoval(text, each => each === mark),
    table(...own.map(rule => `-D ${rule}`)),
  )
  t.equal(
    renderRemoval(text, () => false, [address as IpAddress]),
    table(...theirs.slice(0, 2).map(rule => rule.replace('-A', '-D'))),
  )
  t.equal(
    renderRemoval(text, () => false),
    undefined,
  )
  t.equal(
    renderRemoval('', () => true),
    undefined,
  )
})

const configOf = (fields: object) =>
  firewallConfigFrom({ fields: configObjectFrom(fields) } as CniConfig)

const result = (...addresses: string[]): CniResult => ({
  interfaces: [{ name: 'cni0' }, { name: 'eth0', sandbox: '/ns' }],
  ips: addresses.map(text => ({ address: parsePrefix(text) as IpPrefix })),
  routes: [],
  dns: {},
})

t.test('a plan has the families that the result has addresses of', async t => {
  const config = configOf({ ingressPolicy: 'same-bridge' })
  t.match(planFirewall(config, result('10.22.0.5/24', 'fd00::5/64', '10.22.0.5/16')), [
    { family: 4, addresses: ['10.22.0.5'], isolation: { bridge: 'cni0', policy: 'same-bridge' } },
    { family: 6, addresses: ['fd00::5'] },
  ])
  t.strictSame(planFirewall(configOf({}), result()), [])
  const message = /^ingressPolicy: same-bridge needs the bridge/
  t.throws(() => planFirewall(config, { ...result('10.0.0.1/8'), interfaces: [] }), {
    cniCode: 7,
    message,
  })
  const wild = { ...result('10.0.0.1/8'), interfaces: [{ name: 'eth+' }] }
  t.throws(() => planFirewall(config, wild), { cniCode: 7, message: /'eth\+' cannot stand/ })
})

t.test('what a configuration may say', async t => {
  t.strictSame(configOf({}), {
    backend: undefined,
    firewalldZone: 'trusted',
    adminChain: 'CNI-ADMIN',
    ingressPolicy: 'open',
  })
  for (const [fields, cniCode, message] of [
    [{ backend: 'nftables' }, 2, /backend "nftables": not supported/],
    [{ backend: 'x' }, 7, /^backend: 'x'/],
    [{ backend: 5 }, 6, /^backend must be a string/],
    [
      { ingressPolicy: 'closed' },
      7,
      /^ingressPolicy: 'closed' is none of open, same-bridge, isolated/,
    ],
    [{ iptablesAdminChainName: 'A B' }, 7, /^iptablesAdminChainName: 'A B'/],
    [{ iptablesAdminChainName: 'A'.repeat(29) }, 7, /1–28/],
    [{ firewalldZone: '--reload' }, 7, /^firewalldZone/],
  ] as const) {
    t.throws(() => configOf(fields), { cniCode, message })
  }
})
