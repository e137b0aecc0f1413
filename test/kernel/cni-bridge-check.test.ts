import t from 'tap'
import { bridge } from '#cni/bridge/bridge.ts'
import { callVerb } from '../helper/cni-call.ts'
import { enterHost } from '../helper/cni-host.ts'
import { bridgeConfig } from '../helper/cni-network.ts'
import { TestNamespace } from '../helper/namespace.ts'

type Result = {
  readonly interfaces: readonly { readonly name: string }[]
  readonly [key: string]: unknown
}

/** An attachment after ADD, and CHECK of it. */
async function attach(stack: AsyncDisposableStack, dataDir: string) {
  const host = stack.use(await enterHost())
  const pod = stack.use(await TestNamespace.create('pod'))
  const config = bridgeConfig(dataDir, { ipMasq: true, hairpinMode: true })
  const { json, exitCode } = await callVerb(bridge, { verb: 'ADD', config, netns: pod.path })
  if (exitCode !== 0) throw new Error(JSON.stringify(json))
  const result = json as unknown as Result
  const check = (prevResult: object | undefined = result, changes: object = {}) =>
    callVerb(bridge, {
      verb: 'CHECK',
      config: { ...config, ...changes, prevResult },
      netns: pod.path,
    })
  return { host, pod, result, check, hostEnd: result.interfaces[1]?.name as string }
}

type Attached = Awaited<ReturnType<typeof attach>>

const harmless: readonly {
  readonly title: string
  readonly change: (attached: Attached) => Promise<unknown>
}[] = [
  { title: 'right after ADD', change: async () => {} },
  {
    title: 'when the firewall plugin isolated the port',
    change: ({ host, hostEnd }) => host.ip(`link set ${hostEnd} type bridge_slave isolated on`),
  },
  {
    title: 'when a later plugin added a link, an address and a route',
    change: async ({ pod }) => {
      await pod.ip('link add other type veth peer name another')
      await pod.ip('address add 192.0.2.5/32 dev eth0')
      await pod.ip('route add 198.51.100.0/24 via 10.22.0.1')
    },
  },
  {
    title: 'when the MTU differs',
    change: ({ pod }) => pod.ip('link set eth0 mtu 1300'),
  },
  {
    title: 'when the MAC of the bridge differs',
    change: ({ host }) => host.ip('link set cni0 address 02:00:00:00:00:01'),
  },
  {
    title: 'while somebody captures packets on the bridge',
    change: ({ host }) => host.ip('link set cni0 promisc on'),
  },
]

for (const { title, change } of harmless) {
  t.test(`CHECK succeeds ${title}`, async t => {
    await using stack = new AsyncDisposableStack()
    const attached = await attach(stack, t.testdir())
    await change(attached)
    t.same(await attached.check(), { exitCode: 0, json: {}, stderr: '' })
  })
}

const harmful: readonly {
  readonly title: string
  readonly change: (attached: Attached) => Promise<unknown>
  readonly message: RegExp
}[] = [
  {
    title: 'the interface is gone',
    change: ({ pod }) => pod.ip('link del eth0'),
    message: /interface eth0 is missing/,
  },
  {
    title: 'the interface has another MAC',
    change: ({ pod }) => pod.ip('link set eth0 address 02:00:00:00:00:01'),
    message: /has the MAC 02:00:00:00:00:01/,
  },
  {
    title: 'the interface is another one of the same name',
    change: async ({ pod }) => {
      await pod.ip('link set eth0 name old')
      await pod.ip('link add eth0 type bridge')
    },
    message: /eth0 is not a veth/,
  },
  {
    title: 'the IPv4 address is gone',
    change: ({ pod }) => pod.ip('address del 10.22.0.2/24 dev eth0'),
    message: /address 10\.22\.0\.2\/24 is missing/,
  },
  {
    title: 'the IPv6 address is gone',
    change: ({ pod }) => pod.ip('address del fd00:22::2/64 dev eth0'),
    message: /address fd00:22::2\/64 is missing/,
  },
  {
    title: 'the default route is gone',
    change: ({ pod }) => pod.ip('route del default'),
    message: /route to 0\.0\.0\.0\/0 via 10\.22\.0\.1 is missing/,
  },
  {
    title: 'the connected route is gone',
    change: ({ pod }) => pod.ip('route del 10.22.0.0/24'),
    message: /no connected route to gateway 10\.22\.0\.1/,
  },
  {
    title: 'the host end left the bridge',
    change: ({ host, hostEnd }) => host.ip(`link set ${hostEnd} nomaster`),
    message: /is not a port of bridge cni0/,
  },
  {
    title: 'hairpin mode was switched off',
    change: ({ host, hostEnd }) => host.ip(`link set ${hostEnd} type bridge_slave hairpin off`),
    message: /hairpin mode/,
  },
  {
    title: 'the bridge is gone',
    change: ({ host }) => host.ip('link del cni0'),
    message: /bridge cni0 is missing/,
  },
  {
    title: 'the masquerade rules were flushed',
    change: ({ host }) => host.exec('nft', ['flush', 'ruleset']),
    message: /IPv4 masquerading of 10\.22\.0\.2 is missing; IPv6/,
  },
]

for (const { title, change, message } of harmful) {
  t.test(`CHECK fails when ${title}`, async t => {
    await using stack = new AsyncDisposableStack()
    const attached = await attach(stack, t.testdir())
    await change(attached)
    const { exitCode, json } = await attached.check()
    t.equal(exitCode, 1)
    t.match(json, { msg: message })
  })
}

t.test('CHECK needs a prevResult that has the interface, and an available bridge mode', async t => {
  await using stack = new AsyncDisposableStack()
  const { check, result } = await attach(stack, t.testdir())
  t.match((await check({ ...result, interfaces: [], ips: [] })).json, { msg: /no interface eth0/ })
  t.match((await check(result, { hairpinMode: false, promiscMode: true })).json, {
    msg: /bridge cni0 is not promiscuous/,
  })
})
