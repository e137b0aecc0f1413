import { parseArgs } from 'node:util'
import { manifestForms, measureManifests } from './cluster-memory-manifests.ts'

// Memory of one process with a large cluster in its store. Budget: 150 MiB for 10,000 Services with 2 endpoints each.
const BUDGET_MIB = 150
const { values } = parseArgs({ options: { services: { type: 'string', default: '10000' } } })

for (const form of manifestForms) {
  const result = await measureManifests(Number(values.services), form)
  const verdict = result.peakMiB <= BUDGET_MIB ? 'within' : 'OVER'
  console.log(
    `${form}: ${result.services} Services, ${result.slices} slices in ${result.loadMs} ms, ` +
      `longest pause ${result.longestPauseMs} ms, ` +
      `${result.rssMiB} MiB, peak ${result.peakMiB} MiB: ${verdict} ${BUDGET_MIB} MiB`,
  )
  if (result.peakMiB > BUDGET_MIB) process.exitCode = 1
}
