import { networkInterfaces } from 'node:os'
import type { V1Container, V1Volume } from '@kubernetes/client-node'
import t from 'tap'
import { isScalar, isSeq, parseDocument, visit } from 'yaml'
import { parseAgentConfig } from '#agent/config.ts'
import { resources } from '#cluster/api/resource.ts'
import type { Kind } from '#cluster/objects.ts'
import { whyNoConflist, withRanges } from '#cni/install/conflist.ts'
import { isPluginName } from '#cni/plugins.ts'
import { checkCorefile } from '#dns/check/check.ts'
import { parsePrefix } from '#net/prefix.ts'
import { configFromFile } from '#proxy/config/load.ts'
import { wantedByProxyService } from '#proxy/service.ts'
import { wantedByRoutes } from '#routes/main.ts'
import { typeProblems } from '../helper/api-type.ts'
import {
  daemonSetOf,
  fileOf,
  type Overlay,
  overlays,
  type Part,
  rendered,
  rolesOf,
  sourceOf,
} from '../helper/deploy.ts'

/** The API's name of a kind's type: `V1` and the kind, for all that is used here. */
const typeOf = ({ kind }: { readonly kind: string }) => `V1${kind}`

/** What each part reads: kinds that the sources name, and those that only a word in the Corefile makes them watch. */
const reads: Readonly<Record<Part, readonly Kind[]>> = {
  proxy: kindsOf(wantedByProxyService('node-a', { mode: 'nftables' })),
  dns: ['Service', 'EndpointSlice', 'Namespace', 'Pod', 'ServiceImport'],
  cni: [...kindsOf(wantedByRoutes), 'Pod'],
}
function kindsOf(wanted: object): readonly Kind[] {
  return Object.keys(wanted) as Kind[]
}

const nameOf = (kind: Kind): string => `${resources[kind].group}/${resources[kind].plural}`

for (const [overlay, parts] of Object.entries(overlays) as [Overlay, readonly Part[]][]) {
  t.test(`overlay ${overlay}`, async t => {
    const objects = await rendered(`overlays/${overlay}`)
    const daemonSet = daemonSetOf(objects)
    const pod = daemonSet.spec?.template.spec
    if (pod === undefined) throw new Error('no pod')

    t.test('has only fields that the API has', async t => {
      t.ok(objects.length > 0)
      for (const object of objects)
        t.strictSame(typeProblems(object, typeOf(object), object.kind), [])
    })

    t.test('may list and watch what its parts read, and nothing else', async t => {
      const granted = new Set<string>()
      for (const role of rolesOf(objects)) {
        for (const { apiGroups = [], resources = [], verbs, ...rest } of role.rules ?? []) {
          t.strictSame(rest, {})
          const isEvents = apiGroups.join() === 'events.k8s.io'
          t.strictSame(verbs, isEvents ? ['create'] : ['list', 'watch'])
          for (const group of apiGroups)
            for (const name of resources) granted.add(`${group}/${name}`)
        }
      }
      const wanted = new Set(parts.flatMap(part => reads[part].map(nameOf)))
      if (parts.includes('proxy')) wanted.add('events.k8s.io/events')
      t.strictSame([...granted].toSorted(), [...wanted].toSorted())
    })

    t.test('each capability is added for a reason, and everything else is dropped', async t => {
      const { contents } = parseDocument(sourceOf(`overlays/${overlay}/daemonset.yaml`))
      const reasons: string[] = []
      visit(contents as never, {
        Pair(_, { key, value }) {
          if (!isScalar(key) || key.value !== 'add' || !isSeq(value)) return
          for (const item of value.items) {
            if (isScalar(item) && (item.comment ?? '').trim() !== '')
              reasons.push(String(item.value))
          }
        },
      })
      const [agent, ...others] = pod.containers
      t.strictSame(agent?.securityContext?.capabilities, { drop: ['ALL'], add: reasons })
      for (const { securityContext } of others)
        t.strictSame(securityContext?.capabilities, { drop: ['ALL'] })
    })

    t.test('runs before and beside everything else, and cannot change its own image', async t => {
      t.match(pod, {
        hostNetwork: true,
        dnsPolicy: 'Default',
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists' }],
        serviceAccountName: 'nodeplane',
      })
      for (const container of pod.containers) {
        t.match(container.securityContext, {
          privileged: false,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
        })
      }
    })

    t.test(
      'every mount has its volume, every volume a mount, every ConfigMap of ours exists',
      async t => {
        const volumes = pod.volumes ?? []
        const mounted = new Set(pod.containers.flatMap(mountsOf))
        t.strictSame([...mounted].toSorted(), volumes.map(({ name }) => name).toSorted())
        const maps = objects.filter(({ kind }) => kind === 'ConfigMap')
        const names = maps.map(({ metadata }) => (metadata as { name: string }).name)
        const used = volumes.flatMap(({ configMap }) => configMap?.name ?? [])
        t.strictSame(used.toSorted(), names.toSorted())
        for (const name of names)
          t.match(name, /-[a-z0-9]{10}$/, 'a change of a file rolls the pods')
      },
    )

    t.test('the agent understands its configuration', async t => {
      const config = parseAgentConfig(
        fileOf(objects, 'agent.yaml'),
        '/etc/nodeplane/agent/agent.yaml',
      )
      const runs = (['proxy', 'dns', 'cni'] as const).filter(part => config[part] !== false)
      t.strictSame(runs, parts)
      t.equal(config.routes !== false, parts.includes('cni'), 'routes go with the pod network')
      const [, address] = /^(.*):(\d+)$/.exec(config.http.address)?.slice(1) ?? []
      for (const probe of ['livenessProbe', 'readinessProbe'] as const) {
        t.equal(pod.containers[0]?.[probe]?.httpGet?.port, Number(address))
      }
      const paths = [
        config.proxy === false ? undefined : config.proxy.config,
        config.dns === false ? undefined : config.dns.corefile,
      ].filter(path => path !== undefined)
      for (const path of paths) t.ok(isMounted(pod.containers[0], path), path)
    })
  })
}

const mountsOf = ({ volumeMounts = [] }: V1Container): readonly string[] =>
  volumeMounts.map(({ name }) => name)

const isMounted = (container: V1Container | undefined, path: string): boolean =>
  (container?.volumeMounts ?? []).some(({ mountPath }) => path.startsWith(`${mountPath}/`))

t.test("all has every overlay's objects and capabilities, each part's once", async t => {
  const capabilitiesOf = async (overlay: string) => {
    const [agent] =
      daemonSetOf(await rendered(`overlays/${overlay}`)).spec?.template.spec?.containers ?? []
    return agent?.securityContext?.capabilities?.add ?? []
  }
  const single = await Promise.all(['proxy-only', 'dns-only', 'cni-only'].map(capabilitiesOf))
  t.strictSame(new Set(await capabilitiesOf('all')), new Set(single.flat()))
})

t.test('cleaning up needs the capabilities and mounts of all parts, and no account', async t => {
  const [daemonSet, ...others] = await rendered('cleanup')
  t.strictSame(others, [])
  if (daemonSet === undefined) throw new Error('no DaemonSet')
  t.strictSame(typeProblems(daemonSet, typeOf(daemonSet), 'DaemonSet'), [])
  const pod = daemonSetOf([daemonSet]).spec?.template.spec
  const [cleanup] = pod?.initContainers ?? []
  const all = daemonSetOf(await rendered('overlays/all')).spec?.template.spec
  const needed = (all?.containers[0]?.securityContext?.capabilities?.add ?? []).filter(
    name => name !== 'NET_BIND_SERVICE',
  )
  t.strictSame(cleanup?.securityContext?.capabilities, { drop: ['ALL'], add: needed })
  const paths = (volumes: readonly V1Volume[] = []) =>
    volumes.flatMap(({ hostPath }) => hostPath?.path ?? []).toSorted()
  const written = paths(all?.volumes).filter(path => path !== '/lib/modules')
  t.strictSame(paths(pod?.volumes), written)
  t.equal(pod?.automountServiceAccountToken, false)
})

t.test('the configuration of the parts', async t => {
  const objects = await rendered('overlays/all')

  t.test('KubeProxyConfiguration: nothing is warned of', async t => {
    const { config, warnings } = configFromFile(
      fileOf(objects, 'kube-proxy.yaml'),
      'kube-proxy.yaml',
    )
    t.strictSame(warnings, [])
    t.equal(config.mode, 'nftables')
  })

  t.test('Corefile: a server starts with it', async t => {
    const found = await checkCorefile({
      // A server that ends waits that long.
      source: { text: fileOf(objects, 'Corefile').replace('5s', '0s'), file: 'Corefile' },
      env: { HOST_IP: '192.0.2.10' },
      interfaces: networkInterfaces as never,
    })
    t.strictSame(found, { problems: [], warnings: [] })
  })

  t.test('network list: our plugins, and ranges for the podCIDRs', async t => {
    const text = fileOf(objects, 'nodeplane.conflist')
    t.equal(whyNoConflist(text), undefined)
    const { plugins } = JSON.parse(text) as { plugins: { type: string; ipam?: { type: string } }[] }
    for (const { type, ipam } of plugins) {
      t.ok(isPluginName(type), type)
      if (ipam !== undefined) t.ok(isPluginName(ipam.type), ipam.type)
    }
    const prefix = parsePrefix('10.244.1.0/24')
    t.match(withRanges(text, prefix === undefined ? [] : [prefix]), /"subnet": "10\.244\.1\.0\/24"/)
  })

  t.test('the cluster DNS address is the same in all four places', async t => {
    const service = objects.find(({ kind }) => kind === 'Service') as unknown as {
      spec: { clusterIP: string }
    }
    const address = service.spec.clusterIP
    t.match(fileOf(objects, 'Corefile'), new RegExp(`bind \\{\\$HOST_IP\\} ${address}\n`))
    for (const overlay of ['all', 'dns-only']) {
      const text = fileOf(await rendered(`overlays/${overlay}`), 'agent.yaml')
      t.match(text, new RegExp(`addresses: \\[${address}\\]`))
    }
  })
})

t.test('the type check finds what the API server would refuse', async t => {
  const cases: readonly { title: string; object: object; want: RegExp }[] = [
    { title: 'a field nobody knows', object: { spec: { tolerates: [] } }, want: /spec\.tolerates/ },
    {
      title: 'text where a number belongs',
      object: { spec: { minReadySeconds: '5' } },
      want: /number/,
    },
    {
      title: 'an object where a list belongs',
      object: { spec: { template: { spec: { containers: {} } } } },
      want: /list/,
    },
    {
      title: 'deep in a list',
      object: { spec: { template: { spec: { volumes: [{ hostpath: {} }] } } } },
      want: /volumes\[0\]\.hostpath/,
    },
    {
      title: 'a label that is no text',
      object: { metadata: { labels: { a: true } } },
      want: /labels\.a: must be of type string/,
    },
  ]
  for (const { title, object, want } of cases) {
    t.match(typeProblems(object, 'V1DaemonSet', 'DaemonSet').join(), want, title)
  }
})
