import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { bundleProgram } from './bundle-program.ts'
import { rawService, rawSlice } from './raw-cluster.ts'

/** How the objects are written down: documents, or the list that `kubectl get -o yaml` or `-o json` prints. */
export const manifestForms = ['yaml', 'yaml-list', 'json-list'] as const
export type ManifestForm = (typeof manifestForms)[number]

const SHAPE = { endpoints: 2, ports: ['http'] }

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

/** What an agent may take with 10,000 Services of 2 endpoints each. */
const BUDGET_MIB = 150

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
    await bundleProgram(join(import.meta.dirname, 'cluster-memory-manifests-child.ts'), program)
    const { stdout } = await promisify(execFile)(process.execPath, [program, directory])
    return JSON.parse(stdout) as MemoryResult
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** The objects of that many Services in one text. */
export function renderObjects(services: number, form: ManifestForm): string {
  const indexes = Array.from({ length: services }, (_, index) => index)
  const objects = indexes.flatMap(index => [rawService(index, SHAPE), rawSlice(index, SHAPE)])
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
if (import.meta.main) {
  const { values } = parseArgs({ options: { services: { type: 'string', default: '10000' } } })
  for (const form of manifestForms) {
    const result = await measureManifests(Number(values.services), form)
    const verdict = result.peakMiB <= BUDGET_MIB ? 'within' : 'OVER'
    console.log(`${form}: ${JSON.stringify(result)}: ${verdict} ${BUDGET_MIB} MiB`)
    if (result.peakMiB > BUDGET_MIB) process.exitCode = 1
  }
}
