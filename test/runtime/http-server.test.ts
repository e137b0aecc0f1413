import { connect } from 'node:net'
import t from 'tap'
import { metricsRoute, startHttpServer } from '#runtime/http-server.ts'
import { Counter, createMetrics } from '#runtime/metrics.ts'

t.test('routes answer GET; other paths are 404, other methods 405, a broken route 500', async t => {
  const metrics = createMetrics()
  new Counter({ name: 'seen_total', help: 'x', registers: [metrics] }).inc()
  await using server = await startHttpServer(
    { host: '127.0.0.1', port: 0 },
    {
      '/metrics': metricsRoute(metrics),
      '/echo': query => ({ status: 200, body: query.get('q') ?? '' }),
      'PUT /echo': async (_query, text) => ({ status: 200, body: `put ${await text()}` }),
      '/broken': () => {
        throw new Error('secret')
      },
    },
  )
  const get = (path: string, method = 'GET', body?: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method, ...(body && { body }) })
  t.match(await (await get('/metrics')).text(), /^seen_total 1$/m)
  t.equal(await (await get('/echo?q=a%20b')).text(), 'a b')
  t.equal(await (await get('/echo', 'PUT', 'text')).text(), 'put text')
  t.equal((await get('/PUT /echo')).status, 404)
  t.equal((await get('/nothing')).status, 404)
  t.equal((await get('/constructor')).status, 404)
  t.equal((await get('/echo', 'POST')).status, 405)
  const broken = await get('/broken')
  t.equal(broken.status, 500)
  t.notMatch(await broken.text(), /secret/)
})

t.test('closing ends connections that do nothing', async t => {
  const server = await startHttpServer({ host: '127.0.0.1', port: 0 }, {})
  const socket = connect(server.port, '127.0.0.1')
  await new Promise(resolve => socket.once('connect', resolve))
  const closed = new Promise(resolve => socket.once('close', resolve))
  await server[Symbol.asyncDispose]()
  await closed
  t.pass('closed')
})

t.test('an address in use is an error', async t => {
  await using first = await startHttpServer({ host: '127.0.0.1', port: 0 }, {})
  await t.rejects(startHttpServer({ host: '127.0.0.1', port: first.port }, {}), {
    code: 'EADDRINUSE',
  })
})
