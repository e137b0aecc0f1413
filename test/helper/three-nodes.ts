import type { Node } from '#cluster/objects.ts'
import { joinNamespaces, TestNamespace } from './namespace.ts'

/** A node of {@link ThreeNodes}, with one pod on its bridge. */
export type RoutedNode = {
  readonly name: string
  readonly namespace: TestNamespace
  readonly pod: TestNamespace
  readonly object: Node
  /** Addresses of the node, its pod, and its end of the tunnel, by family. */
  readonly ip: Readonly<Record<4 | 6, string>>
  readonly podIp: Readonly<Record<4 | 6, string>>
  readonly vtep: Readonly<Record<4 | 6, string>>
}

/**
 * Two nodes on one link and one behind a router, which knows nothing of pods:
 *
 *     pod 10.244.1.2 ── br0 [node a] 192.168.70.11 ──┐
 *     pod 10.244.2.2 ── br0 [node b] 192.168.70.12 ──┴ 192.168.70.1 [router] 192.168.71.1 ── 192.168.71.13 [node c] br0 ── pod 10.244.3.2
 *
 * IPv6: fd00:70::/64 and fd00:71::/64 for nodes, fd00:244:N::/64 for pods.
 */
export class ThreeNodes implements AsyncDisposable {
  readonly router: TestNamespace
  readonly nodes: readonly [RoutedNode, RoutedNode, RoutedNode]
  readonly #namespaces: AsyncDisposableStack

  private constructor(
    router: TestNamespace,
    nodes: readonly RoutedNode[],
    namespaces: AsyncDisposableStack,
  ) {
    this.router = router
    this.nodes = nodes as unknown as [RoutedNode, RoutedNode, RoutedNode]
    this.#namespaces = namespaces
  }

  static async create(): Promise<ThreeNodes> {
    await using namespaces = new AsyncDisposableStack()
    const router = namespaces.use(await TestNamespace.create('router'))
    await makeRouter(router)
    const nodes: RoutedNode[] = []
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      const namespace = namespaces.use(await TestNamespace.create(`node-${name}`))
      const pod = namespaces.use(await TestNamespace.create(`pod-${name}`))
      const node = describeNode({ name, number: index + 1, namespace, pod })
      await attachNode(router, node)
      await attachPod(node, index + 1)
      nodes.push(node)
    }
    return new ThreeNodes(router, nodes, namespaces.move())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespaces.disposeAsync()
  }
}

const LINKS = { near: 70, far: 71 } as const
const linkOf = (name: string) => (name === 'c' ? LINKS.far : LINKS.near)

function describeNode(of: {
  name: string
  number: number
  namespace: TestNamespace
  pod: TestNamespace
}): RoutedNode {
  const { name, number, namespace, pod } = of
  const link = linkOf(name)
  const ip = { 4: `192.168.${link}.1${number}`, 6: `fd00:${link}::1${number}` }
  return {
    name,
    namespace,
    pod,
    ip,
    podIp: { 4: `10.244.${number}.2`, 6: `fd00:244:${number}::2` },
    vtep: { 4: `10.244.${number}.0`, 6: `fd00:244:${number}::` },
    object: {
      kind: 'Node',
      metadata: { name, namespace: '', labels: {} },
      addresses: Object.values(ip).map(address => ({ type: 'InternalIP', address })),
      podCIDRs: [`10.244.${number}.0/24`, `fd00:244:${number}::/64`],
      taints: [],
      deleting: false,
    },
  }
}

async function makeRouter(router: TestNamespace): Promise<void> {
  await router.exec('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
  for (const link of Object.values(LINKS)) {
    await router.ip(`link add lan${link} type bridge`)
    await router.ip(`address add 192.168.${link}.1/24 dev lan${link}`)
    await router.ip(`address add fd00:${link}::1/64 dev lan${link} nodad`)
    await router.ip(`link set lan${link} up`)
  }
}

async function attachNode(
  router: TestNamespace,
  { name, namespace, ip }: RoutedNode,
): Promise<void> {
  const link = linkOf(name)
  await joinNamespaces(
    { namespace: router, link: `to-${name}`, addresses: [] },
    { namespace, link: 'eth0', addresses: [`${ip[4]}/24`, `${ip[6]}/64`] },
  )
  await router.ip(`link set to-${name} master lan${link}`)
  await namespace.ip(`route add default via 192.168.${link}.1`)
  await namespace.ip(`-6 route add default via fd00:${link}::1`)
}

async function attachPod({ namespace, pod, podIp }: RoutedNode, number: number): Promise<void> {
  const gateway = { 4: `10.244.${number}.1`, 6: `fd00:244:${number}::1` }
  await namespace.ip('link add br0 type bridge')
  await namespace.ip(`address add ${gateway[4]}/24 dev br0`)
  await namespace.ip(`address add ${gateway[6]}/64 dev br0 nodad`)
  await namespace.ip('link set br0 up')
  await joinNamespaces(
    { namespace, link: 'veth0', addresses: [] },
    { namespace: pod, link: 'eth0', addresses: [`${podIp[4]}/24`, `${podIp[6]}/64`] },
  )
  await namespace.ip('link set veth0 master br0')
  await pod.ip(`route add default via ${gateway[4]}`)
  await pod.ip(`-6 route add default via ${gateway[6]}`)
}
