import t from 'tap'
import { manifestForms, measureManifests } from '../../../bench/cluster-memory-manifests.ts'

// Parsing YAML takes seconds, on a busy machine many.
t.setTimeout(600_000)

/** How much garbage lies about while YAML is read depends on how much processor the collector's threads get. */
const PEAK_LIMIT_MIB = 175

for (const form of manifestForms) {
  t.test(`10,000 Services with 2 endpoints each, loaded from ${form}: within 150 MiB`, async t => {
    const result = await measureManifests(10_000, form)
    t.comment(result)
    t.match(result, { services: 10_000, slices: 10_000 })
    t.ok(result.rssMiB <= 150, `${result.rssMiB} MiB once loaded`)
    t.ok(result.peakMiB <= PEAK_LIMIT_MIB, `${result.peakMiB} MiB while loading`)
  })
}
