import t from 'tap'
import { manifestForms, measureManifests } from '../../../bench/cluster-memory-manifests.ts'
import { leastPeak } from '../../helper/least-peak.ts'

// Parsing YAML takes seconds, on a busy machine many.
t.setTimeout(480_000)

for (const form of manifestForms) {
  t.test(
    `10,000 Services with 2 endpoints each, from ${form}: never more than 150 MiB`,
    async t => {
      const result = await leastPeak(150, () => measureManifests(10_000, form))
      t.comment(result)
      t.match(result, { services: 10_000, slices: 10_000 })
      t.ok(result.peakMiB <= 150, `${result.peakMiB} MiB`)
    },
  )
}
