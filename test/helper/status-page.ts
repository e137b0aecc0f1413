import { type Browser, launch } from 'puppeteer-core'
import { Incidents } from '#agent/incidents.ts'
import { pageRoutes } from '#agent/page/page-routes.ts'
import { forLocalBrowsers, viewRoutes } from '#agent/view/serve.ts'
import { TrafficReader } from '#agent/view/traffic.ts'
import { agentViews } from '#agent/view/views.ts'
import type { Node } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { PodAttachment } from '#cni/pods/pod-attachment.ts'
import type { IpAddress } from '#net/ip.ts'
import type { Plan } from '#routes/plan.ts'
import { systemClock } from '#runtime/clock.ts'
import { type HttpServer, startHttpServer } from '#runtime/http-server.ts'
import { Counter, createMetrics } from '#runtime/metrics.ts'
import { endpoint, service, slice } from './zone-cluster.ts'

/** The machine's browser. `await using` closes it. */
export const openBrowser = (): Promise<Browser> =>
  launch({
    executablePath: '/usr/bin/chromium-headless-shell',
    // Tests run as root, where Chromium has no sandbox.
    args: ['--no-sandbox', '--disable-gpu'],
    defaultViewport: { width: 1280, height: 900 },
  })

/** What an agent would tell, of a store and of parts that do nothing, served as the agent serves it. */
export class StatusPage implements AsyncDisposable {
  readonly store = new Store()
  readonly metrics = createMetrics()
  readonly incidents = new Incidents(systemClock, this.metrics)
  readonly #stop = new AbortController()
  readonly #queries: Counter<'server'>
  readonly attachments: PodAttachment[] = []
  #server: HttpServer | undefined
  whyNoRules: string | undefined

  constructor() {
    this.#queries = new Counter({
      name: 'coredns_dns_requests_total',
      help: 'Queries taken.',
      labelNames: ['server'],
      registers: [this.metrics],
    })
  }

  /** @param port 0 picks one. */
  async start(port = 0): Promise<string> {
    const views = agentViews({
      node: 'node-a',
      cluster: () => ({
        origin: 'https://10.0.0.1:6443',
        kinds: ['Service', 'EndpointSlice', 'Node'],
      }),
      why: async target => `CAUSE: ${target} has no ready endpoint\n`,
      checks: () => [
        { part: 'cluster', whyNot: () => undefined },
        { part: 'routes', whyNot: () => undefined },
        { part: 'proxy', whyNot: () => this.whyNoRules },
        { part: 'dns', whyNot: () => undefined },
        { part: 'cni', whyNot: () => undefined },
      ],
      store: this.store,
      metrics: this.metrics,
      incidents: this.incidents,
      proxy: {
        traffic: new TrafficReader(
          [
            async () =>
              new Map([['shop/web:http/TCP', { connections: 12, packets: 80, bytes: 4_300_000 }]]),
          ],
          systemClock,
        ),
      },
      dns: {
        served: ['.:53'],
        caches: [],
        top: async () => ({ topNames: [], topClients: [] }),
        explain: async () => undefined,
      },
      cni: { pods: { list: () => this.attachments } as never, attachments: [] },
      routes: { mode: 'auto', plan },
      differing: () => [],
      clock: systemClock,
      stop: this.#stop.signal,
    })
    const routes = { ...viewRoutes(views), ...pageRoutes() }
    this.#server = await startHttpServer({ host: '127.0.0.1', port }, forLocalBrowsers(routes))
    return `http://127.0.0.1:${this.#server.port}/`
  }

  /** A shop, one of whose two Services has no ready endpoint, and others: `count` Services in all. */
  fill(count: number): void {
    this.store.replaceAll('Service', [
      service({ name: 'web', namespace: 'shop', ips: ['10.96.0.1'] }),
      service({ name: 'broken', namespace: 'shop', ips: ['10.96.0.2'] }),
      ...Array.from({ length: count - 2 }, (_, n) =>
        service({ name: `s${`${n}`.padStart(5, '0')}`, namespace: 'many', ips: [addressOf(n)] }),
      ),
    ])
    const number = { web: ['10.4.0.2', '10.4.1.7'], broken: ['10.4.0.3'] }
    this.store.replaceAll('EndpointSlice', [
      slice({ of: 'web', namespace: 'shop', endpoints: number.web.map(ip => endpoint(ip)) }),
      slice({
        of: 'broken',
        namespace: 'shop',
        endpoints: number.broken.map(ip => endpoint(ip, { ready: false })),
      }),
      ...Array.from({ length: count - 2 }, (_, n) => {
        const of = `s${`${n}`.padStart(5, '0')}`
        return slice({ of, namespace: 'many', endpoints: [endpoint(`10.5.${n >> 8}.${n & 255}`)] })
      }),
    ])
    this.store.replaceAll('Node', ['a', 'b', 'c', 'd'].map(nodeOf))
    this.attachments.push(attachmentOf('web-0', '10.4.0.2'), attachmentOf('web-1', '10.4.0.3'))
  }

  asked(queries: number): void {
    this.#queries.inc({ server: 'dns://:53' }, queries)
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
    this.#server = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.stop()
  }
}

/** node-b by route, node-c by tunnel, node-d not at all. */
const plan = {
  uplinks: [],
  masquerades: [],
  mtu: 1450,
  refusals: [{ node: 'node-d', message: 'its podCIDR is that of another node' }],
  tunnels: [{ name: 'nodeplane-vx4' }],
  routes: [
    { node: 'node-b', link: 'eth0' },
    { node: 'node-c', link: 'nodeplane-vx4' },
  ],
} as unknown as Plan

const addressOf = (n: number): string => `10.97.${n >> 8}.${n & 255}`

const nodeOf = (letter: string, index: number): Node => ({
  kind: 'Node',
  metadata: { name: `node-${letter}`, namespace: '', labels: {} },
  addresses: [{ type: 'InternalIP', address: `192.0.2.${10 + index}` }],
  podCIDRs: [`10.4.${index}.0/24`],
  taints: [],
  deleting: false,
})

const attachmentOf = (name: string, address: string): PodAttachment => ({
  network: 'pods',
  containerId: `c-${name}`,
  ifname: 'eth0',
  netns: `/run/netns/${name}`,
  pod: { namespace: 'shop', name, uid: '' },
  addresses: [address as IpAddress],
  hostInterface: `veth-${name}`,
  plugin: 'bridge',
})
