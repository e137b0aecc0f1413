import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'

const [port, copyPort] = [await freePort(), await freePort()]
const names = Array.from({ length: 3000 }, (_, n) => `name-${n}`)
const zoneText = `$TTL 300
@ SOA ns hostmaster 1 3600 600 7200 60
@ NS ns
ns A 192.0.2.1
${names.map((name, n) => `${name} A 10.0.${n >> 8}.${n & 255}`).join('\n')}
`
const folder = t.testdir({ db: zoneText, 'db.auto.org': zoneText, custom: {} })
const conf = await writeCorefile(
  folder,
  `.:${port} {
    import custom/*.override
    errors
    chaos v1
  }
  example.org:${port} auto.org:${port} {
    file db example.org
    auto auto.org {
      directory .
    }
    transfer {
      to 127.0.0.1
    }
    acl {
      drop net 127.0.0.9
    }
    nsid us
    minimal
  }
  import custom/*.server
  example.org:${copyPort} {
    secondary {
      transfer from 127.0.0.1:${port}
    }
  }`,
)
const server = await DnsProcess.start({ args: ['--conf', conf] })
t.teardown(() => server[Symbol.asyncDispose]())

const axfr = async (...words: readonly string[]) =>
  (await exec('dig', ['@127.0.0.1', '-p', `${port}`, '+tries=1', '+time=3', ...words])).stdout

t.test('dig copies a zone of many messages', async t => {
  for (const zone of ['example.org', 'auto.org']) {
    const text = await axfr('AXFR', zone)
    t.match(text, /;; XFR size: 3004 records \(messages ([2-9]|\d\d)/)
    t.match(text, `name-2999.${zone}.`)
  }
})

t.test(
  'IXFR with the serial of the zone is one SOA record; UDP and others are refused',
  async t => {
    t.match(await axfr('IXFR=1', 'example.org'), /XFR size: 1 records/)
    t.match(await axfr('AXFR', 'example.net'), /Transfer failed/)
  },
)

t.test('a secondary serves what it copied', async t => {
  await eventually(
    'the copy',
    async () => (await dig(copyPort, 'name-7.example.org')).status === 'NOERROR',
  )
  t.match(await dig(copyPort, '+norec', 'name-7.example.org'), {
    flags: 'qr aa',
    answer: ['name-7.example.org. 300 IN A 10.0.0.7'],
  })
})

t.test('the client is judged, told the server, and given little', async t => {
  await t.rejects(dig(port, '-b', '127.0.0.9', 'ns.example.org'))
  t.match((await dig(port, '+nsid', 'ns.example.org')).text, /NSID: 75 73 \("us"\)/)
  t.match((await dig(port, 'version.bind', 'CH', 'TXT')).answer, ['version.bind. 0 CH TXT "v1"'])
  t.strictSame((await dig(port, 'ns.example.org')).authority, [])
})

t.test(
  'custom/*.override and custom/*.server may match nothing, and work when files come',
  async t => {
    t.match(server.stderr, /import custom\/\*\.override: no file matches/)
    await mkdir(join(folder, 'custom'), { recursive: true })
    await writeFile(
      join(folder, 'custom/a.override'),
      'hosts {\n 192.0.2.77 over.example.net\n fallthrough\n}',
    )
    await writeFile(
      join(folder, 'custom/b.server'),
      `custom.org:${port} {\n template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.78"\n }\n}`,
    )
    server.kill('SIGUSR1')
    await eventually(
      'the override',
      async () => (await dig(port, 'over.example.net')).answer.length === 1,
    )
    t.match(await dig(port, 'x.custom.org'), { answer: ['x.custom.org. 60 IN A 192.0.2.78'] })
  },
)
