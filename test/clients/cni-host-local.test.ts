import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { buildOr } from '../helper/build.ts'
import { cniEnv } from '../helper/cni.ts'
import { answerOf, type ProgramAnswer, runPlugin, startPlugin } from '../helper/cni-program.ts'

/** Debian's package containernetworking-plugins. */
const reference = '/usr/lib/cni/host-local'
const folder = t.testdir()
const ours = join(await buildOr(join(folder, 'dist')), 'cni/host-local')

const plugin = (dataDir: string, subnet: string) => {
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet }]] }
  const config = { cniVersion: '1.0.0', name: 'net1', type: 'bridge', ipam }
  const call = (command: string, id: string, program = ours) => ({
    program,
    config,
    env: cniEnv({ CNI_COMMAND: command, CNI_CONTAINERID: id }),
  })
  return {
    start: (command: string, id: string) => startPlugin(call(command, id)),
    run: (command: string, id: string, program?: string) => runPlugin(call(command, id, program)),
    held: () =>
      Object.fromEntries(
        readdirSync(join(dataDir, 'net1'))
          .filter(name => /^[0-9.]+$/.test(name))
          .map(name => [name, readFileSync(join(dataDir, 'net1', name), 'utf8')]),
      ),
  }
}

const addressIn = ({ stdout, exitCode }: ProgramAnswer): string => {
  if (exitCode !== 0) throw new Error(stdout)
  return (JSON.parse(stdout) as { ips: { address: string }[] }).ips[0]?.address ?? ''
}

t.test('the reference goes on where we stopped, and we where it stopped', async t => {
  const { run, held } = plugin(t.testdir(), '10.22.0.0/29')
  t.equal(addressIn(await run('ADD', 'a')), '10.22.0.2/29')
  t.equal(addressIn(await run('ADD', 'b', reference)), '10.22.0.3/29')
  t.equal(addressIn(await run('ADD', 'c')), '10.22.0.4/29')
  t.match(await run('ADD', 'a', reference), { exitCode: 1, stdout: /duplicate allocation/ })
  t.match(await run('ADD', 'b'), { exitCode: 1, stdout: /duplicate allocation/ })
  t.match(await run('DEL', 'a', reference), { exitCode: 0 }, 'it frees ours')
  t.match(await run('DEL', 'b'), { exitCode: 0 }, 'we free its')
  t.strictSame(held(), { '10.22.0.4': 'c\r\neth0' })
  t.equal(addressIn(await run('ADD', 'd', reference)), '10.22.0.5/29', 'round robin is shared')
})

t.test('both at once on one store never give an address twice', async t => {
  const { run, held } = plugin(t.testdir(), '10.22.0.0/24')
  const ids = Array.from({ length: 24 }, (_, n) => `c${n}`)
  const answers = await Promise.all(
    ids.map((id, n) => run('ADD', id, n % 2 === 0 ? ours : reference)),
  )
  t.equal(new Set(answers.map(addressIn)).size, ids.length)
  t.equal(Object.keys(held()).length, ids.length)
})

t.test('50 calls in parallel get 50 addresses, and 50 DELs free them all', async t => {
  const { run, held } = plugin(t.testdir(), '10.22.0.0/24')
  const ids = Array.from({ length: 50 }, (_, n) => `c${n}`)
  const added = await Promise.all(ids.map(id => run('ADD', id)))
  t.equal(new Set(added.map(addressIn)).size, 50)
  const removed = await Promise.all(ids.map(id => run('DEL', id)))
  t.ok(removed.every(({ exitCode }) => exitCode === 0))
  t.strictSame(held(), {})
})

t.test('killed at any point: no address twice, none lost', async t => {
  const { start, run, held } = plugin(t.testdir(), '10.22.0.0/26')
  const begin = performance.now()
  await run('ADD', 'k0a')
  const lifeMs = performance.now() - begin
  await run('DEL', 'k0a')
  const answered = new Map<string, string>()
  let killed = 0
  for (let round = 0; round < 25; round++) {
    const ids = [`k${round}a`, `k${round}b`]
    await Promise.all(
      ids.map(async id => {
        const child = start('ADD', id)
        const answer = answerOf(child)
        // Spread over the whole life of the process; which point it hits must not matter.
        await sleep(lifeMs * (0.3 + Math.random()))
        child.kill('SIGKILL')
        const { stdout, signal } = await answer
        if (signal !== null) killed++
        if (stdout.endsWith('\n')) answered.set(id, addressIn({ ...(await answer), exitCode: 0 }))
      }),
    )
    const holders = Object.values(held())
    t.equal(new Set(holders).size, holders.length, 'nobody holds two')
    t.ok(
      holders.every(holder => /^k[0-9]+[ab]\r\neth0$/.test(holder)),
      'every file is whole',
    )
  }
  t.equal(new Set(answered.values()).size, answered.size, 'no address was answered twice')
  t.comment(`${killed} of 50 calls were killed`)
  for (let round = 0; round < 25; round++) {
    const ids = [`k${round}a`, `k${round}b`]
    const answers = await Promise.all(ids.map(id => run('DEL', id)))
    t.ok(answers.every(({ exitCode }) => exitCode === 0))
  }
  t.strictSame(held(), {})
})

t.test('an answer of half a megabyte arrives whole at a slow reader', async t => {
  const routes = Array.from({ length: 10_000 }, (_, n) => ({
    dst: `10.${n >> 8}.${n & 255}.0/24`,
    gw: '10.22.0.1',
  }))
  const ipam = { type: 'host-local', dataDir: t.testdir(), subnet: '10.22.0.0/24', routes }
  const config = { cniVersion: '1.0.0', name: 'net1', type: 'bridge', ipam }
  const child = startPlugin({ program: ours, env: cniEnv(), config })
  let text = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk
    await sleep(1)
  }
  t.ok(text.length > 400_000)
  t.match(JSON.parse(text), { routes: { length: 10_000 } })
})
