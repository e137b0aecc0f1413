import { joinNamespaces, TestNamespace } from './namespace.ts'

/** A pod of {@link Topology}: a namespace on the node's bridge. */
export type TestPod = {
  readonly namespace: TestNamespace
  readonly ip4: string
  readonly ip6: string
}

/**
 * One node with pods on a bridge, and a host outside, in both families:
 *
 *     pod 10.244.1.2 … ── br0 10.244.1.1 [node] 192.168.50.1 ── 192.168.50.2 [outside]
 *
 * Pods route through the node, the node's default route leads outside, and the outside host routes everything through
 * the node. IPv6: fd00:244:1::/64 for pods, fd00:50::/64 outside.
 */
export class Topology implements AsyncDisposable {
  readonly node: TestNamespace
  readonly outside: TestNamespace
  readonly pods: readonly TestPod[]
  readonly nodeIp4 = '192.168.50.1'
  readonly nodeIp6 = 'fd00:50::1'
  readonly outsideIp4 = '192.168.50.2'
  readonly outsideIp6 = 'fd00:50::2'
  /** Where the node's bridge is: the source of the node's own connections to pods. */
  readonly bridgeIp4 = '10.244.1.1'
  readonly bridgeIp6 = 'fd00:244:1::1'
  readonly #namespaces: AsyncDisposableStack

  private constructor(
    node: TestNamespace,
    outside: TestNamespace,
    pods: readonly TestPod[],
    namespaces: AsyncDisposableStack,
  ) {
    this.node = node
    this.outside = outside
    this.pods = pods
    this.#namespaces = namespaces
  }

  static async create(podCount: number): Promise<Topology> {
    await using namespaces = new AsyncDisposableStack()
    const node = namespaces.use(await TestNamespace.create('node'))
    const outside = namespaces.use(await TestNamespace.create('outside'))
    await joinNamespaces(
      { namespace: node, link: 'eth0', addresses: ['192.168.50.1/24', 'fd00:50::1/64'] },
      { namespace: outside, link: 'eth0', addresses: ['192.168.50.2/24', 'fd00:50::2/64'] },
    )
    await makeRouter(node)
    await routeThrough(node, '192.168.50.2', 'fd00:50::2')
    await routeThrough(outside, '192.168.50.1', 'fd00:50::1')
    const pods: TestPod[] = []
    for (let index = 0; index < podCount; index++) {
      const namespace = namespaces.use(await TestNamespace.create(`pod${index}`))
      pods.push(await attachPod(node, namespace, index))
    }
    return new Topology(node, outside, pods, namespaces.move())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespaces.disposeAsync()
  }
}

async function makeRouter(node: TestNamespace): Promise<void> {
  await node.exec('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
  await node.ip('link add br0 type bridge')
  await node.ip('address add 10.244.1.1/24 dev br0')
  await node.ip('address add fd00:244:1::1/64 dev br0 nodad')
  await node.ip('link set br0 up')
}

async function attachPod(
  node: TestNamespace,
  namespace: TestNamespace,
  index: number,
): Promise<TestPod> {
  const ip4 = `10.244.1.${index + 2}`
  const ip6 = `fd00:244:1::${index + 2}`
  await joinNamespaces(
    { namespace: node, link: `veth${index}`, addresses: [] },
    { namespace, link: 'eth0', addresses: [`${ip4}/24`, `${ip6}/64`] },
  )
  await node.ip(`link set veth${index} master br0`)
  // As the bridge plugin does: with br_netfilter a pod's packet to itself never leaves the bridge.
  await node.ip(`link set veth${index} type bridge_slave hairpin on`)
  await routeThrough(namespace, '10.244.1.1', 'fd00:244:1::1')
  return { namespace, ip4, ip6 }
}

async function routeThrough(namespace: TestNamespace, ip4: string, ip6: string): Promise<void> {
  await namespace.ip(`route add default via ${ip4}`)
  await namespace.ip(`-6 route add default via ${ip6}`)
}
