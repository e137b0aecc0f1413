import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { V1ClusterRole, V1ConfigMap, V1DaemonSet } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { exec } from '#linux/exec.ts'

export const deployFolder = join(import.meta.dirname, '../../deploy')

/** An overlay, and which of the parts it has. */
export const overlays = {
  all: ['proxy', 'dns', 'cni'],
  'proxy-only': ['proxy'],
  'dns-only': ['dns'],
  'cni-only': ['cni'],
} as const satisfies Record<string, readonly Part[]>

export type Part = 'proxy' | 'dns' | 'cni'
export type Overlay = keyof typeof overlays

type ApiObject = { readonly apiVersion: string; readonly kind: string } & Record<string, unknown>

const known = new Map<string, Promise<readonly ApiObject[]>>()

/** The objects that `kubectl apply -k` would send. */
export function rendered(folder: string): Promise<readonly ApiObject[]> {
  const objects = known.get(folder) ?? render(folder)
  known.set(folder, objects)
  return objects
}

async function render(folder: string): Promise<readonly ApiObject[]> {
  const { stdout } = await exec('kubectl', ['kustomize', join(deployFolder, folder)])
  return parseAllDocuments(stdout).map(document => {
    // Else a second key of one name would hide the first.
    const [error] = document.errors
    if (error !== undefined) throw error
    return document.toJS() as ApiObject
  })
}

export const daemonSetOf = (objects: readonly ApiObject[]): V1DaemonSet =>
  objects.find(({ kind }) => kind === 'DaemonSet') as unknown as V1DaemonSet

export const rolesOf = (objects: readonly ApiObject[]): readonly V1ClusterRole[] =>
  objects.filter(({ kind }) => kind === 'ClusterRole') as unknown as readonly V1ClusterRole[]

/** The text of a ConfigMap's file, which exactly one ConfigMap has. */
export function fileOf(objects: readonly ApiObject[], name: string): string {
  const maps = objects.filter(({ kind }) => kind === 'ConfigMap') as unknown as V1ConfigMap[]
  const texts = maps.flatMap(({ data }) => data?.[name] ?? [])
  if (texts.length !== 1) throw new Error(`${texts.length} ConfigMaps have a file ${name}`)
  return texts[0] as string
}

export const sourceOf = (path: string): string => readFileSync(join(deployFolder, path), 'utf8')
