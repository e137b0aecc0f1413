import t from 'tap'
import { ApiError, type ApiErrorDetails, type ApiFailure } from '#cluster/api/api-error.ts'
import { needsList, pauseAfter } from '#cluster/api/retry.ts'
import { defaultTiming } from '#cluster/api/timing.ts'
import { Backoff } from '#runtime/backoff.ts'

const error = (failure: ApiFailure, details?: ApiErrorDetails) =>
  new ApiError(failure, 'x', details)

const cases: readonly { title: string; error: unknown; list: boolean; pauseMs: number }[] = [
  { title: 'no connection', error: error('connection'), list: false, pauseMs: 200 },
  { title: 'silence', error: error('silence'), list: false, pauseMs: 200 },
  { title: 'garbage', error: error('garbage'), list: true, pauseMs: 200 },
  { title: 'our own fault', error: new TypeError('x'), list: true, pauseMs: 200 },
  { title: 'expired', error: error('status', { status: 410 }), list: true, pauseMs: 200 },
  { title: 'bad version', error: error('status', { status: 400 }), list: true, pauseMs: 200 },
  { title: 'unauthorized', error: error('status', { status: 401 }), list: false, pauseMs: 200 },
  { title: 'forbidden', error: error('status', { status: 403 }), list: false, pauseMs: 30_000 },
  { title: 'not served', error: error('status', { status: 404 }), list: true, pauseMs: 30_000 },
  { title: 'server error', error: error('status', { status: 500 }), list: false, pauseMs: 200 },
  {
    title: 'too many requests, with Retry-After',
    error: error('status', { status: 429, retryAfterMs: 7_000 }),
    list: false,
    pauseMs: 7_200,
  },
  {
    title: 'unavailable, with a Retry-After of a day',
    error: error('status', { status: 503, retryAfterMs: 86_400_000 }),
    list: false,
    pauseMs: 60_200,
  },
]
for (const { title, error, list, pauseMs } of cases) {
  t.test(`${title}: ${list ? 'list again' : 'watch again'} after ${pauseMs} ms`, async t => {
    const backoff = new Backoff({ initialMs: 200, maxMs: 30_000, random: () => 0 })
    t.equal(needsList(error), list)
    t.equal(pauseAfter(error, backoff, defaultTiming), pauseMs)
  })
}
