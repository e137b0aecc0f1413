import { collectProcessMetrics } from '#linux/process-metrics.ts'
import { Gauge, type Metrics } from '#runtime/metrics.ts'
import { version } from '#runtime/version.ts'
import { effectiveGates } from '../config/feature-gates.ts'
import type { ProxyConfig } from '../config/schema.ts'
import { KUBERNETES_VERSION } from './pages.ts'

/** Metrics that all of Kubernetes' components have: process, build and feature gates (component-base). */
export function registerComponentMetrics(
  registry: Metrics,
  { featureGates }: Pick<ProxyConfig, 'featureGates'>,
): void {
  collectProcessMetrics(registry)
  const registers = [registry]
  const build = { major: '1', minor: KUBERNETES_VERSION.slice(2), git_version: `v${version}` }
  new Gauge({
    name: 'kubernetes_build_info',
    help: 'Always 1; the labels say which build this is',
    labelNames: [...Object.keys(build), 'platform'],
    registers,
  }).set({ ...build, platform: `${process.platform}/${process.arch}` }, 1)
  const enabled = new Gauge({
    name: 'kubernetes_feature_enabled',
    help: 'Is the feature gate on?',
    labelNames: ['name', 'stage'],
    registers,
  })
  for (const [name, { stage, isOn }] of Object.entries(effectiveGates(featureGates))) {
    enabled.set({ name, stage: stage === 'GA' ? '' : stage }, isOn ? 1 : 0)
  }
}
