import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { DnsProcess, dig, freePort, writeCorefile } from '../helper/dns-process.ts'
import { eventually } from '../helper/eventually.ts'

const port = await freePort()

async function ended(args: readonly string[], cwd?: string) {
  await using server = DnsProcess.spawn({ args, ...(cwd === undefined ? {} : { cwd }) })
  const code = await server.exit()
  return { code, stdout: server.stdout, stderr: server.stderr }
}

t.test('flags that ask for an answer', async t => {
  t.match(await ended(['-version']), { code: 0, stdout: 'nodeplane-0.1.0\n' })
  t.match(await ended(['--plugins']), { code: 0, stdout: /^dns\.root\n[^]*dns\.whoami\n[^]*$/ })
  t.match(await ended(['--help']), { code: 0, stdout: /--dns\.port/ })
})

const wrong: readonly { title: string; args: readonly string[]; stderr: RegExp }[] = [
  { title: 'an unknown flag', args: ['--nope'], stderr: /unknown option '--nope'/ },
  { title: 'an argument that is no flag', args: ['Corefile'], stderr: /too many arguments/ },
  { title: 'a port that is none', args: ['-dns.port', '70000'], stderr: /use a port/ },
  {
    title: 'a Corefile that is not there',
    args: ['-conf', '/nonexistent/Corefile'],
    stderr: /nodeplane: \/nonexistent\/Corefile: cannot be read: ENOENT/,
  },
]
for (const { title, args, stderr } of wrong) {
  t.test(`${title}: exit code 2 and a line on stderr`, async t => {
    t.match(await ended(args), { code: 2, stdout: '', stderr })
  })
}

t.test('a Corefile with problems: exit code 2, all of them with file and line', async t => {
  const conf = await writeCorefile(
    t.testdir(),
    `.:${port} {\n  teapot\n  geoip x\n  health {\n    lame\n  }\n}\n`,
  )
  const { code, stderr } = await ended(['-conf', conf])
  t.equal(code, 2)
  t.match(stderr, `nodeplane: ${conf}:2: unknown directive 'teapot'`)
  t.match(
    stderr,
    `nodeplane: ${conf}:3: 'geoip' is a plugin of CoreDNS that is not supported; use view`,
  )
  t.match(stderr, `nodeplane: ${conf}:5: lame: unknown option 'lame'`)
})

t.test('a port that is taken: exit code 1', async t => {
  const conf = await writeCorefile(t.testdir(), '. {\n whoami\n}')
  const args = ['-conf', conf, '-dns.port', `${port}`]
  await using server = await DnsProcess.start({ args })
  t.match(await ended(args), { code: 1, stderr: /EADDRINUSE/ })
  t.ok(server.isRunning)
})

t.test('without Corefile the built-in one is served, which names port 53 itself', async t => {
  await using server = await DnsProcess.start({ args: ['-p', `${port}`], cwd: t.testdir() })
  t.match(server.stdout, /^\.:53\n/)
  t.match(await dig(53, 'example.org'), { status: 'NOERROR', flags: 'qr aa rd' })
})

t.test('a Corefile from stdin, a variable in it, a pid file, INT', async t => {
  const pidfile = join(t.testdir(), 'pid')
  await using server = await DnsProcess.start({
    args: ['--conf', 'stdin', '--pidfile', pidfile],
    stdin: '{$ZONE}:{%PORT%}\nwhoami\n',
    env: { ZONE: 'example.org', PORT: `${port}` },
  })
  t.match(await dig(port, 'example.org'), { status: 'NOERROR' })
  t.equal(await readFile(pidfile, 'utf8'), `${server.pid}\n`)
  server.kill('SIGINT')
  t.equal(await server.exit(), 0)
})

t.test('-quiet prints no banner', async t => {
  const conf = await writeCorefile(t.testdir(), `.:${port} {\n whoami\n}`)
  await using server = DnsProcess.spawn({ args: ['-quiet', '-conf', conf] })
  await eventually('an answer', async () => (await dig(port, 'x')).status === 'NOERROR')
  t.equal(server.stdout, '')
})
