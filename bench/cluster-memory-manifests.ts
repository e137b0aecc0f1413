import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** How the objects are written down: documents, or the list that `kubectl get -o yaml` or `-o json` prints. */
export const manifestForms = ['yaml', 'yaml-list', 'json-list'] as const
export type ManifestForm = (typeof manifestForms)[number]

/** What a process used once everything was in its store. */
export type MemoryResult = {
  readonly services: number
  readonly slices: number
  readonly loadMs: number
  /** The longest time in which the event loop had no turn. */
  readonly longestPauseMs: number
  /** Resident memory two seconds after the load. */
  readonly rssMiB: number
  /** The highest it ever was (VmHWM). */
  readonly peakMiB: number
}

/** Loads that many Services, each with a slice of two endpoints, through the manifest source in a process of its own. */
export async function measureManifests(
  services: number,
  form: ManifestForm,
): Promise<MemoryResult> {
  const directory = await mkdtemp(join(tmpdir(), 'nodeplane-memory-'))
  try {
    const file = join(directory, form === 'json-list' ? 'cluster.json' : 'cluster.yaml')
    await writeFile(file, renderObjects(services, form))
    const program = join(directory, 'child.mjs')
    await bundle(program)
    const { stdout } = await promisify(execFile)(process.execPath, [program, directory])
    return JSON.parse(stdout) as MemoryResult
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Bundled, as nodeplane is shipped: a process that strips types itself takes 40 MiB more. */
async function bundle(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(import.meta.dirname, 'cluster-memory-child.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Dependencies in CommonJS want to require Node's modules.
    banner: {
      js: `import { createRequire } from 'node:module'; const require = createRequire('/')`,
    },
    logLevel: 'error',
  })
}

/** The objects of that many Services, as one file. */
export function renderObjects(services: number, form: ManifestForm): string {
  const indexes = Array.from({ length: services }, (_, index) => index)
  const objects = indexes.flatMap(index => [serviceOf(index), sliceOf(index)])
  const list = { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } }
  if (form === 'json-list') return JSON.stringify(list, null, 2)
  if (form === 'yaml') return objects.map(object => `---\n${renderYaml(object)}`).join('')
  return renderYaml(list)
}

/** Block style, as kubectl writes it. */
function renderYaml(value: object, indent = ''): string {
  const items = Array.isArray(value)
    ? value.map(item => ['-', item] as const)
    : Object.entries(value).map(([key, item]) => [`${key}:`, item] as const)
  return items
    .map(([head, item]) => {
      if (typeof item !== 'object') return `${indent}${head} ${JSON.stringify(item)}\n`
      const inner = `${indent}  `
      const text = renderYaml(item as object, inner)
      return head === '-' ? `${indent}- ${text.slice(inner.length)}` : `${indent}${head}\n${text}`
    })
    .join('')
}

const addressOf = (net: number, index: number) => `10.${net}.${index >> 8}.${index & 255}`

function serviceOf(index: number): object {
  const clusterIP = addressOf(96, index)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: `service-${index}`,
      namespace: `namespace-${index % 100}`,
      labels: { app: `app-${index}`, 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': `release-${index}` },
      uid: `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`,
    },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      selector: { app: `app-${index}` },
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  }
}

function sliceOf(index: number): object {
  const name = `service-${index}`
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-abcde`,
      namespace: `namespace-${index % 100}`,
      labels: { app: `app-${index}`, 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    endpoints: [0, 1].map(replica => ({
      addresses: [addressOf(128 + replica, index)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${(index + replica) % 500}`,
      targetRef: {
        kind: 'Pod',
        name: `${name}-pod-${replica}`,
        namespace: `namespace-${index % 100}`,
      },
      zone: `zone-${replica}`,
    })),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  }
}
