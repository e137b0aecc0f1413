import type { PluginDefinition } from '../plugin.ts'

/** A name that a Corefile may use: a plugin of ours, or one of CoreDNS's that is not here. */
export type RegistryEntry = {
  readonly name: string
  /** Imported when a Corefile uses it: what is not used costs nothing. */
  readonly load?: () => Promise<PluginDefinition>
  /** Not supported: what to do instead. */
  readonly instead?: string
}

const supported = (name: string, load: () => Promise<PluginDefinition>): RegistryEntry => ({
  name,
  load,
})
const unsupported = (name: string, instead: string): RegistryEntry => ({ name, instead })

/**
 * Every plugin, in the order of the chain, outer to inner. The order in a Corefile means nothing (CoreDNS 1.14: plugin.cfg);
 * moving a line here changes answers. To add a plugin: write its folder, put its line here.
 */
export const registry: readonly RegistryEntry[] = [
  // First what configures the block or the query before anything looks at either.
  supported('root', async () => (await import('./root/plugin.ts')).root),
  supported('metadata', async () => (await import('./metadata/plugin.ts')).metadata),
  unsupported('geoip', 'use view with incidr(client_ip(), …)'),
  unsupported('proxyproto', 'let clients reach the server directly'),
  unsupported('quic', 'serve tls://, or put a proxy before it'),
  supported('grpc_server', async () => (await import('./grpc_server/plugin.ts')).grpcServer),
  supported('https', async () => (await import('./https/plugin.ts')).https),
  unsupported('https3', 'serve https://, or put a proxy before it'),
  supported('timeouts', async () => (await import('./timeouts/plugin.ts')).timeouts),
  supported('multisocket', async () => (await import('./multisocket/plugin.ts')).multisocket),
  supported('reload', async () => (await import('./reload/plugin.ts')).reload),
  supported('nsid', async () => (await import('./nsid/plugin.ts')).nsid),
  supported('bufsize', async () => (await import('./bufsize/plugin.ts')).bufsize),
  supported('bind', async () => (await import('./bind/plugin.ts')).bind),
  supported('debug', async () => (await import('./debug/plugin.ts')).debug),
  unsupported('trace', 'remove it; prometheus has durations by server, zone and upstream'),
  supported('ready', async () => (await import('./ready/plugin.ts')).ready),
  supported('health', async () => (await import('./health/plugin.ts')).health),
  unsupported('pprof', 'remove it; start node with --cpu-prof'),
  unsupported('shed', 'remove it; queries in flight are bounded, cancel bounds their time'),
  // Metrics and logs wrap all that answers, so that they see every answer, cached ones too.
  supported('prometheus', async () => (await import('./prometheus/plugin.ts')).prometheus),
  supported('errors', async () => (await import('./errors/plugin.ts')).errors),
  supported('log', async () => (await import('./log/plugin.ts')).log),
  unsupported('dnstap', 'use log'),
  // In CoreDNS it stands before timeouts. Here it stands behind errors and log: a query that was given up in time is no failure of
  // a plugin, so errors stays silent, while log and prometheus see the time it took. No answer depends on the place.
  supported('cancel', async () => (await import('./cancel/plugin.ts')).cancel),
  supported('local', async () => (await import('./local/plugin.ts')).local),
  // What changes answers stands around what changes names …
  supported('dns64', async () => (await import('./dns64/plugin.ts')).dns64),
  supported('any', async () => (await import('./any/plugin.ts')).any),
  supported('chaos', async () => (await import('./chaos/plugin.ts')).chaos),
  supported('loadbalance', async () => (await import('./loadbalance/plugin.ts')).loadbalance),
  unsupported('tsig', 'limit who may ask by acl, and who may copy zones by transfer'),
  // … and rewrite and autopath before acl, acl before cache: acl judges the final name, and no cached answer gets round it.
  supported('rewrite', async () => (await import('./rewrite/plugin.ts')).rewrite),
  supported('autopath', async () => (await import('./autopath/plugin.ts')).autopath),
  supported('acl', async () => (await import('./acl/plugin.ts')).acl),
  // Behind acl, which judges every client; before cache, whose answers are for all of them.
  supported('pods_policy', async () => (await import('./pods_policy/plugin.ts')).podsPolicy()),
  supported('cache', async () => (await import('./cache/plugin.ts')).cachePlugin()),
  supported('header', async () => (await import('./header/plugin.ts')).header),
  unsupported('dnssec', 'serve signed zone files by file, or sign in the upstream of forward'),
  supported('tls', async () => (await import('./tls/plugin.ts')).tls),
  supported('minimal', async () => (await import('./minimal/plugin.ts')).minimal),
  // What has answers of its own: fixed ones before the cluster's, the cluster's before zone files.
  supported('template', async () => (await import('./template/plugin.ts')).template),
  supported('transfer', async () => (await import('./transfer/plugin.ts')).transfer),
  supported('hosts', async () => (await import('./hosts/plugin.ts')).hosts),
  unsupported('route53', 'forward to the zone’s name servers'),
  unsupported('azure', 'forward to the zone’s name servers'),
  unsupported('clouddns', 'forward to the zone’s name servers'),
  supported('k8s_external', async () => (await import('./k8s_external/plugin.ts')).k8sExternal),
  supported('kubernetes', async () => (await import('./kubernetes/plugin.ts')).kubernetesPlugin()),
  supported('file', async () => (await import('./file/plugin.ts')).file),
  supported('auto', async () => (await import('./auto/plugin.ts')).auto),
  supported('secondary', async () => (await import('./secondary/plugin.ts')).secondaryPlugin()),
  unsupported('etcd', 'write its records into a zone file and use file or auto'),
  // loop must see what forward would send on.
  supported('loop', async () => (await import('./loop/plugin.ts')).loopPlugin()),
  // forward answers everything, so what stands behind it is used only without it.
  supported('forward', async () => (await import('./forward/plugin.ts')).forwardPlugin()),
  unsupported('grpc', 'use forward'),
  unsupported('erratic', 'remove it; it is for tests of CoreDNS'),
  supported('whoami', async () => (await import('./whoami/plugin.ts')).whoami),
  unsupported('on', 'start programs outside the server'),
  unsupported('sign', 'sign zone files outside the server; file serves signed ones'),
  supported('view', async () => (await import('./view/plugin.ts')).view),
  unsupported('nomad', 'forward to a DNS server of Nomad’s services'),
]
