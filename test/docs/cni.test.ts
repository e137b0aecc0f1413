import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bandwidthConfigFrom } from '#cni/bandwidth/config.ts'
import { bridgeConfigFrom } from '#cni/bridge/config.ts'
import { firewallConfigFrom } from '#cni/firewall/config.ts'
import { hostLocalConfigFrom } from '#cni/host-local/config.ts'
import { isPluginName, pluginNames } from '#cni/plugins.ts'
import { portmapConfigFrom } from '#cni/portmap/config.ts'
import { ptpConfigFrom } from '#cni/ptp/config.ts'
import { sbrConfigFrom } from '#cni/sbr/config.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import { isCniName } from '#cni/spec/environment.ts'
import type { CniRequest } from '#cni/spec/plugin.ts'
import { requestFrom } from '#cni/spec/request.ts'
import { cniVersions } from '#cni/spec/version.ts'
import { staticResultFrom } from '#cni/static/config.ts'
import { checkTuningConfig } from '#cni/tuning/config.ts'
import { vrfConfigFrom } from '#cni/vrf/config.ts'

const folder = join(import.meta.dirname, '../../docs/cni')

/** What reads the configuration of a plugin. */
const readers: Readonly<Record<string, (request: CniRequest) => unknown>> = {
  bandwidth: ({ config }) => bandwidthConfigFrom(config),
  bridge: bridgeConfigFrom,
  firewall: ({ config }) => firewallConfigFrom(config),
  portmap: ({ config }) => portmapConfigFrom(config),
  ptp: ptpConfigFrom,
  sbr: ({ config }) => sbrConfigFrom(config),
  tuning: checkTuningConfig,
  vrf: ({ config }) => vrfConfigFrom(config),
}
const ipamReaders: typeof readers = {
  'host-local': ({ config }) => hostLocalConfigFrom(config),
  static: staticResultFrom,
}

type Conflist = {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly { readonly type: string; readonly ipam?: { readonly type: string } }[]
}

/** The configuration files in the examples of a page. */
function examplesOf(name: string): readonly Conflist[] {
  const page = readFileSync(join(folder, `${name}.md`), 'utf8')
  return [...page.matchAll(/```json\n(.*?)```/gs)].map(
    ([, text = '']) => JSON.parse(text) as Conflist,
  )
}

/** The ADD that a runtime makes of one plugin of a list (CNI specification 1.1.0, section 3). */
function requestOf({ cniVersion, name }: Conflist, plugin: object): CniRequest {
  const fields = configObjectFrom({ ...plugin, cniVersion, name })
  const attachment = { containerId: 'c', ifname: 'eth0', netns: '/run/netns/c' }
  const environment = { ...attachment, verb: 'ADD', args: '', pluginPath: [], netnsOverride: false }
  return requestFrom(environment as never, fields, cniVersions, {
    stdin: new Uint8Array(),
    env: {},
  })
}

t.test('every CNI plugin has a page, and every page is of a plugin', async t => {
  const pages = readdirSync(folder).filter(page => page !== 'README.md')
  t.strictSame(new Set(pages), new Set(pluginNames.map(name => `${name}.md`)))
})

for (const name of pluginNames) {
  t.test(`the configurations on the page of ${name} are accepted`, async t => {
    const examples = examplesOf(name)
    t.ok(examples.length > 0, 'there are some')
    for (const example of examples) {
      t.ok(isCniName(example.name))
      const used = example.plugins.flatMap(({ type, ipam }) => [type, ...(ipam ? [ipam.type] : [])])
      t.ok(used.includes(name), `${name} is used`)
      t.ok(used.every(isPluginName), 'by plugins that there are')
      for (const plugin of example.plugins) {
        const request = requestOf(example, plugin)
        t.doesNotThrow(() => readers[plugin.type]?.(request))
        const read = plugin.ipam && ipamReaders[plugin.ipam.type]
        if (read) t.doesNotThrow(() => read(request))
      }
    }
  })
}

t.test('the page of bridge names every field that the plugin reads', async t => {
  const page = readFileSync(join(folder, 'bridge.md'), 'utf8')
  const source = ['bridge', 'veth']
    .map(name => join(import.meta.dirname, `../../src/cni/${name}/config.ts`))
    .map(path => readFileSync(path, 'utf8'))
    .join('')
  const read = [...source.matchAll(/Field\(fields, '(\w+)'\)/g)].map(([, field]) => field)
  t.ok(read.length > 10)
  const outside = ['args', 'runtimeConfig']
  for (const field of read.filter(each => !outside.includes(each as string))) {
    t.match(page, `| \`${field}\``)
  }
})
