import { pino } from 'pino'
import t from 'tap'
import { ApiError } from '#cluster/api/api-error.ts'
import { TroubleLog } from '#cluster/api/trouble-log.ts'

t.test('one line when a trouble begins, one when it is over for all kinds', async t => {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>)
  let nowMs = 0
  const log = new TroubleLog(pino({ base: null, timestamp: false }, { write }), () => nowMs)
  const lost = new ApiError('connection', 'list /x', { cause: new Error('refused\nhere') })
  const forbidden = new ApiError('status', 'list /x: status 403', { status: 403 })
  log.recovered('Node')
  for (let i = 0; i < 3; i++) log.failed('Service', lost)
  log.failed('Node', lost)
  nowMs = 1500
  log.recovered('Service')
  log.recovered('Service')
  t.equal(lines.length, 1, 'Nodes are still lost')
  // Another trouble of the same kind takes the place of the first.
  log.failed('Node', forbidden)
  t.strictSame(lines, [
    {
      level: 40,
      kind: 'Service',
      reason: 'list /x: refused here',
      msg: 'API server lost; the last state keeps serving',
    },
    {
      level: 40,
      kind: 'Node',
      reason: 'list /x: status 403',
      msg: 'API server forbids it: the ClusterRole needs apiGroups [""], resources ["nodes"], verbs ["list", "watch"]',
    },
    {
      level: 30,
      trouble: 'connection',
      failures: 4,
      durationMs: 1500,
      msg: 'API server: trouble is over',
    },
  ])
})
