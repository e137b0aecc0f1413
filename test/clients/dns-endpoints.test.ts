import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { curl, DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'

const [port, health, ready, metrics] = await Promise.all([
  freePort(),
  freePort(),
  freePort(),
  freePort(),
])
const block = (zone: string, interval = '2s 1s', more = '') => `${zone}:${port} {
  whoami
  errors
  reload ${interval}
  health 127.0.0.1:${health} {
    lameduck 1s
  }
  ready 127.0.0.1:${ready}
  prometheus 127.0.0.1:${metrics}
  ${more}
}
`

/** The value of a metric; labels are written as Prometheus does. */
async function metric(name: string): Promise<number | undefined> {
  const { body } = await curl(`http://127.0.0.1:${metrics}/metrics`)
  const line = body.split('\n').find(each => each.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

t.test('health, ready and metrics answer, other paths are 404', async t => {
  const conf = await writeCorefile(t.testdir(), block('example.org'))
  await using server = await DnsProcess.start({ args: ['--conf', conf] })
  t.strictSame(await curl(`http://127.0.0.1:${health}/health`), { status: 200, body: 'OK' })
  t.strictSame(await curl(`http://127.0.0.1:${ready}/ready`), { status: 200, body: 'OK' })
  t.match(await curl(`http://127.0.0.1:${health}/other`), { status: 404 })
  t.match(await curl(`http://127.0.0.1:${metrics}/`), { status: 404 })

  await dig(port, 'a.example.org')
  await dig(port, '+tcp', '+dnssec', 'a.example.org', 'LOC')
  await dig(port, '@::1', 'example.net')
  const of = (zone: string) => `server="dns://:${port}",zone="${zone}",view=""`
  const values: readonly [name: string, value: number][] = [
    [`coredns_dns_requests_total{${of('example.org.')},proto="udp",family="1",type="A"}`, 1],
    [`coredns_dns_requests_total{${of('example.org.')},proto="tcp",family="1",type="other"}`, 1],
    [`coredns_dns_requests_total{${of('dropped')},proto="udp",family="2",type="A"}`, 1],
    [`coredns_dns_do_requests_total{${of('example.org.')}}`, 1],
    [`coredns_dns_responses_total{${of('example.org.')},rcode="NOERROR",plugin="whoami"}`, 2],
    [`coredns_dns_responses_total{${of('dropped')},rcode="REFUSED",plugin=""}`, 1],
    [`coredns_dns_request_duration_seconds_count{${of('example.org.')}}`, 2],
    [`coredns_dns_request_size_bytes_count{${of('example.org.')},proto="udp"}`, 1],
    [`coredns_dns_response_size_bytes_count{${of('example.org.')},proto="tcp"}`, 1],
    [`coredns_plugin_enabled{${of('example.org.')},name="whoami"}`, 1],
    ['coredns_panics_total', 0],
  ]
  for (const [name, value] of values) t.equal(await metric(name), value, name)

  server.kill('SIGTERM')
  await eventually('the lameduck time', async () => {
    const { status, body } = await curl(`http://127.0.0.1:${ready}/ready`)
    return status === 503 && body === 'Shutting down'
  })
  t.match(await curl(`http://127.0.0.1:${health}/health`), { status: 200 })
  t.match(await dig(port, 'example.org'), { status: 'NOERROR' })
  t.equal(await server.exit(), 0)
})

t.test('a changed Corefile is served, a wrong one is not, and no query is lost', async t => {
  const conf = await writeCorefile(t.testdir(), block('a.org'))
  await using server = await DnsProcess.start({ args: ['-conf', conf] })
  let asked = 0
  const statuses = new Set<string>()
  const done = new AbortController()
  const client = (async () => {
    while (!done.signal.aborted) {
      statuses.add((await dig(port, 'x.a.org')).status)
      asked++
    }
  })()
  t.match(await dig(port, 'b.org'), { status: 'REFUSED' })

  await writeFile(conf, `${block('a.org')}b.org:${port} {\n whoami\n}\n`)
  await eventually('the new block', async () => (await dig(port, 'b.org')).status === 'NOERROR')
  t.match(await curl(`http://127.0.0.1:${health}/health`), { status: 200 })

  await writeFile(conf, block('a.org', '2s 1s', 'teapot'))
  await eventually(
    'the failure',
    async () => ((await metric('coredns_reload_failed_total')) ?? 0) > 0,
  )
  t.match(server.stderr, /reload failed.*|unknown directive 'teapot'/)
  t.match(await dig(port, 'b.org'), { status: 'NOERROR' })

  await writeFile(conf, block('a.org'))
  server.kill('SIGUSR1')
  await eventually(
    'the former block again',
    async () => (await dig(port, 'b.org')).status === 'REFUSED',
  )
  done.abort()
  await client
  t.ok(asked > 5)
  t.strictSame([...statuses], ['NOERROR'])
  server.kill('SIGHUP')
  t.match(await dig(port, 'a.org'), { status: 'NOERROR' })
})
