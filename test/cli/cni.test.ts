import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { main } from '../../src/main.ts'
import { cniEnv } from '../helper/cni.ts'

/** Runs `nodeplane ARGS` on streams. */
async function nodeplane(args: readonly string[], env: NodeJS.ProcessEnv, stdin: string) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const { signal } = new AbortController()
  const io = { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr, env, signal }
  const exitCode = await main(args, io)
  stdout.end()
  stderr.end()
  return { exitCode, stdout: await text(stdout), stderr: await text(stderr) }
}

t.test('nodeplane cni is the plugin that the configuration names', async t => {
  const ipam = { type: 'host-local', dataDir: t.testdir(), subnet: '10.22.0.0/24' }
  const config = { cniVersion: '1.0.0', name: 'net1', type: 'host-local', ipam }
  const { exitCode, stdout } = await nodeplane(['cni'], cniEnv(), JSON.stringify(config))
  t.equal(exitCode, 0)
  t.match(JSON.parse(stdout), { ips: [{ address: '10.22.0.2/24' }] })
})

t.test('a type that is no plugin of ours is named', async t => {
  const { exitCode, stdout } = await nodeplane(['cni'], cniEnv(), '{"name":"a","type":"teapot"}')
  t.equal(exitCode, 1)
  t.match(JSON.parse(stdout), { cniVersion: '0.1.0', code: 7, msg: /'teapot'.*host-local/ })
})

t.test('VERSION needs no configuration', async t => {
  const { stdout } = await nodeplane(['cni'], { CNI_COMMAND: 'VERSION' }, '')
  t.match(JSON.parse(stdout), { cniVersion: '1.1.0' })
})

t.test('without a command in the environment it says what it is', async t => {
  const { exitCode, stderr } = await nodeplane(['cni'], {}, '')
  t.equal(exitCode, 0)
  t.match(stderr, /CNI protocol versions supported/)
})
