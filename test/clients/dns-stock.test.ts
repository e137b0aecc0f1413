import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { reply } from '#dns/message.ts'
import { addressRecord } from '../helper/dns.ts'
import { curl, DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'
import { FakeUpstream } from '../helper/fake-upstream.ts'

// Corefiles as others write them, and what ends a server.

/** Of node-local-dns (specification 8.2), its placeholders filled in. */
const nodeLocal = (parts: {
  readonly port: number
  readonly health: number
  readonly metrics: number
  readonly cluster: string
  readonly outside: string
}) => `cluster.local:${parts.port} {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind 127.0.0.1 127.0.0.2
    forward . ${parts.cluster} {
            force_tcp
    }
    prometheus 127.0.0.1:${parts.metrics}
    health 127.0.0.1:${parts.health}
    }
in-addr.arpa:${parts.port} {
    errors
    cache 30
    reload
    loop
    bind 127.0.0.1 127.0.0.2
    forward . ${parts.cluster} {
            force_tcp
    }
    prometheus 127.0.0.1:${parts.metrics}
    }
.:${parts.port} {
    errors
    cache 30
    reload
    loop
    bind 127.0.0.1 127.0.0.2
    forward . ${parts.outside}
    prometheus 127.0.0.1:${parts.metrics}
    }
`

t.test(
  'node-local-dns: cluster names by TCP, others by the node’s servers, TTLs count',
  async t => {
    const upstream = async (data: string) => {
      const transports = new Set<string>()
      const started = await FakeUpstream.start(asked => {
        const { name } = asked.message.question ?? { name: '' }
        if (!/HINFO/.test(asked.message.question?.type ?? '')) transports.add(asked.transport)
        asked.answer(reply({ answers: [{ ...addressRecord(data, name), ttl: 300 }] }))
      })
      t.teardown(() => started[Symbol.asyncDispose]())
      return { address: started.address, transports }
    }
    const [cluster, outside] = [await upstream('10.0.0.1'), await upstream('192.0.2.1')]
    const [port, health, metrics] = [await freePort(), await freePort(), await freePort()]
    const text = nodeLocal({
      port,
      health,
      metrics,
      cluster: cluster.address,
      outside: outside.address,
    })
    const folder = t.testdir({})
    await using server = await DnsProcess.start({
      args: ['--conf', await writeCorefile(folder, text)],
    })
    t.equal(server.isRunning, true)
    for (const at of ['127.0.0.1', '127.0.0.2']) {
      const inside = await dig(port, `@${at}`, 'svc1.testns.svc.cluster.local')
      t.match(inside.answer, [/^svc1\.testns\.svc\.cluster\.local\. (30|29) IN A 10\.0\.0\.1$/], at)
      t.match((await dig(port, `@${at}`, 'example.org')).answer, [/ (30|29) IN A 192\.0\.2\.1$/])
    }
    t.strictSame(cluster.transports, new Set(['tcp']))
    t.strictSame(outside.transports, new Set(['udp']))
    t.strictSame(await curl(`http://127.0.0.1:${health}/health`), { status: 200, body: 'OK' })
    const { body } = await curl(`http://127.0.0.1:${metrics}/metrics`)
    t.match(body, /^coredns_build_info\{version="[^"]+",revision="",goversion="node v26/m)
    t.match(body, /^process_open_fds [1-9]/m)
    t.match(body, /^coredns_cache_hits_total\{.*type="success".*\} [1-9]/m)
  },
)

t.test('a forwarding loop ends the server, not quietly', async t => {
  const port = await freePort()
  const text = `.:${port} {\n bind 127.0.0.1\n loop\n forward . 127.0.0.1:${port}\n}\n`
  const conf = join(t.testdir({}), 'Corefile')
  await writeFile(conf, text)
  await using server = DnsProcess.spawn({ args: ['--conf', conf] })
  await eventually('the end', () => !server.isRunning)
  t.not(await server.exit(), 0)
  t.match(server.stdout, /\[FATAL\] plugin\/loop: Loop/)
})

t.test('QUIT ends it at once', async t => {
  const port = await freePort()
  const text = `.:${port} {\n bind 127.0.0.1\n health 127.0.0.1:0 {\n lameduck 1h\n }\n whoami\n}\n`
  await using server = await DnsProcess.start({
    args: ['--conf', await writeCorefile(t.testdir({}), text)],
  })
  server.kill('SIGQUIT')
  await eventually('the end', () => !server.isRunning)
})
