import fc from 'fast-check'
import t from 'tap'
import { reply } from '#dns/message.ts'
import { exchangeMetrics } from '#dns/server/metrics.ts'
import { createMetrics } from '#runtime/metrics.ts'
import { query, question } from '../../helper/dns.ts'

t.test('whatever is asked and answered, series stay few', async t => {
  const metrics = createMetrics()
  const record = exchangeMetrics(metrics)
  const rcode = fc.integer({ min: 24, max: 4095 }).map(number => `RCODE${number}`)
  const type = fc.integer({ min: 260, max: 65_535 }).map(number => `TYPE${number}`)
  fc.assert(
    fc.property(rcode, type, (rcode, type) => {
      record({
        query: query({ question: question({ type }) }),
        reply: reply({}),
        rcode,
        server: 'dns://:53',
        zone: '.',
        view: '',
        plugin: 'forward',
        requestOctets: 40,
        replyOctets: 40,
        durationSeconds: 0.001,
      })
    }),
  )
  const text = await metrics.metrics()
  t.equal(text.match(/^coredns_dns_requests_total\{/gm)?.length, 1)
  t.equal(text.match(/^coredns_dns_responses_total\{.*rcode="other"/gm)?.length, 1)
})
