import t from 'tap'
import { measureApi } from '../../../bench/cluster-memory-api.ts'

t.test('10,000 Services with 2 endpoints each, listed twice: never more than 150 MiB', async t => {
  const result = await measureApi(10_000)
  t.comment(result)
  t.match(result, { services: 10_000, slices: 10_000 })
  t.ok(result.peakMiB <= 150, `${result.peakMiB} MiB`)
})
